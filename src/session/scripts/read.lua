-- Reads a session and writes nothing, so the script works while Redis rejects writes. The script does not include
-- session-common.lua, because read.lua runs more often than any other session script. If each run created the functions
-- of that file, a run would take a fifth more time. The file session-common.lua explains the fields.
-- KEYS  Key of the session's hash.
-- ARGV  Verifier.
-- Returns a code and all fields, nil if there is no live session that the caller may read, or UNKNOWN_LAYOUT.
-- Code 0: the caller presented the previous verifier within its grace period.
-- Code 1: the caller presented the current verifier.
-- Code 2: like code 1, and the sidecar must renew the idle timeout (same rule as in touch.lua).
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
