-- Makes a session. The only script that does.
-- KEYS  session
-- ARGV  verifier, user, generation, idle timeout, absolute timeout, labels, number of fields, their bytes, names and values
-- Returns when it was made (all else the caller knows), or nil where the handle is in use.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return nil
end
local now = now_ms()
local idle = tonumber(ARGV[4])
local absolute_end = now + tonumber(ARGV[5])
redis.call('HSET', KEYS[1], 'y', LAYOUT, 'v', ARGV[1], 'p', '', 'q', '0', 'u', ARGV[2], 'g', ARGV[3], 'n', '1',
  'c', whole(now), 's', whole(now), 'i', whole(idle), 'a', whole(absolute_end), 'l', ARGV[6], 'k', ARGV[7], 'b', ARGV[8])
for index = 9, #ARGV, 2 do
  redis.call('HSET', KEYS[1], 'f:' .. ARGV[index], ARGV[index + 1])
end
local reply = redis.pcall('PEXPIREAT', KEYS[1], whole(math.min(now + idle, absolute_end)))
if reply ~= 1 then
  -- Redis refused it: a new key must not stay without an expiry.
  redis.call('UNLINK', KEYS[1])
  return reply
end
return now
