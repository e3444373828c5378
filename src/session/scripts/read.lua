-- Reads a session. Writes nothing, so that it is answered where Redis refuses writes. Most calls of sessions are this one, so it uses no
-- function: those of session-common.lua, created in each run, would cost a fifth more. Fields and numbers are explained there.
-- KEYS  session
-- ARGV  verifier
-- Returns a code and all fields, or nil, or UNKNOWN_LAYOUT. Codes: 0 for the previous verifier within its grace, 1 for the current
-- one, 2 for the current one where the idle timeout is due to be renewed (touch.lua, by the same rule).
local found = redis.call('HMGET', KEYS[1], 'y', 'v', 'p', 'q', 's', 'i', 'a')
if not found[1] and not found[2] then
  return nil
end
if found[1] ~= LAYOUT then
  return UNKNOWN_LAYOUT
end
local seen = tonumber(found[5])
local idle = tonumber(found[6])
local absoluteEnd = tonumber(found[7])
-- A comparison with NaN is false. The fields that are not read here are checked by the program.
local graceEnd = tonumber(found[4])
local isWhole = found[2] and found[3] and graceEnd and seen and idle and absoluteEnd
if not isWhole or not (seen + idle < 9007199254740992 and absoluteEnd + graceEnd < 9007199254740992) then
  return { err = 'DAMAGED session' }
end
if nowMs >= seen + idle or nowMs >= absoluteEnd then
  return nil
end
local code = 1
if found[2] ~= ARGV[1] then
  if found[3] ~= ARGV[1] or nowMs >= graceEnd then
    return nil
  end
  code = 0
elseif nowMs > seen and nowMs - seen >= math.min(1000, math.floor(idle / 100)) then
  code = 2
end
return { code, redis.call('HGETALL', KEYS[1]) }
