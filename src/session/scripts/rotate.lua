-- Replaces the verifier of a session and changes its data in one step. At a login or logout, the script replaces the
-- user as well.
-- KEYS  Key of the session's hash.
-- ARGV  Verifier, new verifier, grace period of the old verifier, '1' to set the user or '0' to keep it, new user,
--       generation of the new user, then the arguments of the change (`measureChange`).
-- Returns nil if no live session has this verifier, UNKNOWN_LAYOUT, { 1, all fields } after a rotation, or { 3, number
-- of fields, bytes } if the data would be too large.
local session, refusal = loadSession()
if not session or session.verifier ~= ARGV[1] then
  return refusal
end
local fields, bytes, tooLarge = measureChange(session, 7)
if tooLarge then
  return { 3, fields, bytes }
end
writeChange(session, 7, fields, bytes)
local grace = tonumber(ARGV[3])
local previous = ''
if grace > 0 then
  previous = session.verifier
end
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'p', previous, 'q', whole(nowMs + grace), 's', whole(nowMs))
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], 'u', ARGV[5], 'g', ARGV[6])
end
local all = redis.call('HGETALL', KEYS[1])
setEnd(nowMs, session.idle, session.absoluteEnd)
return { 1, all }
