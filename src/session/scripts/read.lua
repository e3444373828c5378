-- Reads a session and writes nothing, so it works while Redis rejects writes. It is the most frequent session script,
-- so it calls no function. To create the functions of session-common.lua in each run would cost a fifth more. That file
-- explains the fields.
-- KEYS  Session.
-- ARGV  Verifier.
-- Returns a code and all fields, or nil, or UNKNOWN_LAYOUT. Codes: 0 for the previous verifier within its grace period,
-- 1 for the current verifier, 2 for the current verifier if the idle timeout must be renewed (same rule as in
-- touch.lua).
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
-- A comparison with NaN is false. The file redis-reply.ts checks the fields that this script does not read.
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
