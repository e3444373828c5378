-- Reads a session. Writes nothing, so that it is answered where Redis refuses writes.
-- KEYS  session
-- ARGV  verifier
-- Returns a code and all fields, or nil, or UNKNOWN_LAYOUT. Codes: 0 for the previous verifier within its grace, 1 for the current one,
-- 2 for the current one where the idle timeout is due to be renewed (touch.lua).
local now = now_ms()
local session, refusal = load_session(now)
if not session then
  return refusal
end
local code = 1
if session.verifier ~= ARGV[1] then
  if session.previous ~= ARGV[1] or now >= session.previous_end then
    return nil
  end
  code = 0
elseif is_renewal_due(session, now) then
  code = 2
end
return { code, redis.call('HGETALL', KEYS[1]) }
