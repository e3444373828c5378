-- Removes an invalid session if it still has one of these generations. Otherwise it has been rotated to another user
-- meanwhile.
-- KEYS  session
-- ARGV  generations
-- Returns the number of sessions removed. A session with an unknown layout is not removed.
local found = redis.call('HMGET', KEYS[1], 'y', 'g')
for index = 1, #ARGV do
  if found[1] == LAYOUT and found[2] == ARGV[index] then
    return redis.call('UNLINK', KEYS[1])
  end
end
return 0
