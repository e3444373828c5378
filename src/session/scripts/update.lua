-- Changes the data and the timeouts of a session.
-- KEYS  Key of the session's hash.
-- ARGV  Verifier, expected version ('' for any), new idle timeout ('' to keep it), new absolute timeout from now ('' to
--       keep it), maximum lifetime of a session, then the arguments of the change (`measureChange`).
-- Returns nil if no live session has this verifier, UNKNOWN_LAYOUT, or the user and the generation followed by one of:
--   1, version, expiry, remaining absolute timeout    updated
--   2, version                                        the version is not the expected one
--   3, fields, bytes                                  the data would be too large
local session, refusal = loadSession()
if not session or session.verifier ~= ARGV[1] then
  return refusal
end
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= session.version then
  return { session.user, session.generation, 2, session.version }
end
local fields, bytes, tooLarge = measureChange(session, 6)
if tooLarge then
  return { session.user, session.generation, 3, fields, bytes }
end
local version = writeChange(session, 6, fields, bytes)
local idle = session.idle
if ARGV[3] ~= '' then
  idle = tonumber(ARGV[3])
end
local absoluteEnd = session.absoluteEnd
if ARGV[4] ~= '' then
  absoluteEnd = math.min(nowMs + tonumber(ARGV[4]), session.created + tonumber(ARGV[5]))
end
redis.call('HSET', KEYS[1], 's', whole(nowMs), 'i', whole(idle), 'a', whole(absoluteEnd))
setEnd(nowMs, idle, absoluteEnd)
return { session.user, session.generation, 1, version, math.min(nowMs + idle, absoluteEnd), absoluteEnd - nowMs }
