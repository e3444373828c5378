-- Creates a session. No other script creates sessions.
-- KEYS  Key of the session's hash.
-- ARGV  Verifier, user, generation, idle timeout, absolute timeout, labels, number of data fields, size of the data in
--       bytes, names and values of the fields.
-- Returns the creation time, or nil if the handle is in use. The caller already knows all other values of the session.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return nil
end
local idle = tonumber(ARGV[4])
local absoluteEnd = nowMs + tonumber(ARGV[5])
redis.call('HSET', KEYS[1], 'y', LAYOUT, 'v', ARGV[1], 'p', '', 'q', '0', 'u', ARGV[2], 'g', ARGV[3], 'n', '1',
  'c', whole(nowMs), 's', whole(nowMs), 'i', whole(idle), 'a', whole(absoluteEnd), 'l', ARGV[6], 'k', ARGV[7], 'b', ARGV[8])
for index = 9, #ARGV, 2 do
  redis.call('HSET', KEYS[1], 'f:' .. ARGV[index], ARGV[index + 1])
end
return expireNewKey(KEYS[1], math.min(nowMs + idle, absoluteEnd)) or nowMs
