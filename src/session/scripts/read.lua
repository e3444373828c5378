-- Reads a session and writes nothing, so the script works while Redis rejects writes. The script does not include
-- session-common.lua, because read.lua runs more often than any other session script. Creating the functions of that
-- file in each run would take a fifth more time. The file session-common.lua explains the fields.
-- KEYS  Session.
-- ARGV  Verifier.
-- Returns a code and all fields, nil if the caller may not read a live session, or UNKNOWN_LAYOUT. Codes: 0 for the
-- previous verifier within its grace period, 1 for the current verifier, 2 for the current verifier if the idle timeout
-- must be renewed (same rule as in touch.lua).
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
-- The conditions below also reject NaN, because any comparison with NaN is false. The file redis-reply.ts checks the
-- fields that this script does not read.
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
