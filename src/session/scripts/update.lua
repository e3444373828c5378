-- Changes a session's data and its timeouts.
-- KEYS  session
-- ARGV  verifier, expected version or '', idle timeout or '', absolute timeout from now or '', longest absolute timeout, then the change
-- Returns nil, UNKNOWN_LAYOUT, or user and generation and: 1, version, expiry, rest of the absolute timeout | 2, version (not the expected
-- one) | 3, fields, bytes (too large).
local now = now_ms()
local session, refusal = load_session(now)
if not session or session.verifier ~= ARGV[1] then
  return refusal
end
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= session.version then
  return { session.user, session.generation, 2, session.version }
end
local fields, bytes, too_large = measure_change(session, 6)
if too_large then
  return { session.user, session.generation, 3, fields, bytes }
end
local version = write_change(session, 6, fields, bytes)
local idle = session.idle
if ARGV[3] ~= '' then
  idle = tonumber(ARGV[3])
end
local absolute_end = session.absolute_end
if ARGV[4] ~= '' then
  absolute_end = math.min(now + tonumber(ARGV[4]), session.created + tonumber(ARGV[5]))
end
redis.call('HSET', KEYS[1], 's', whole(now), 'i', whole(idle), 'a', whole(absolute_end))
set_end(now, idle, absolute_end)
return { session.user, session.generation, 1, version, math.min(now + idle, absolute_end), absolute_end - now }
