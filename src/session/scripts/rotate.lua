-- Gives a session a new verifier and, at a login or logout, another user, in one step with a change of data.
-- KEYS  session
-- ARGV  verifier, new verifier, grace of the old one, '1' where user and generation are to be the next two, then the change
-- Returns nil, UNKNOWN_LAYOUT, or 1 and all fields | 3, fields, bytes (too large).
local now = now_ms()
local session, refusal = load_session(now)
if not session or session.verifier ~= ARGV[1] then
  return refusal
end
local fields, bytes, too_large = measure_change(session, 7)
if too_large then
  return { 3, fields, bytes }
end
write_change(session, 7, fields, bytes)
local grace = tonumber(ARGV[3])
local previous = ''
if grace > 0 then
  previous = session.verifier
end
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'p', previous, 'q', whole(now + grace), 's', whole(now))
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], 'u', ARGV[5], 'g', ARGV[6])
end
local all = redis.call('HGETALL', KEYS[1])
set_end(now, session.idle, session.absolute_end)
return { 1, all }
