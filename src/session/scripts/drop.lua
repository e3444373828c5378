-- Removes a session that is invalid, if it still bears one of these generations: it may have become another user's meanwhile.
-- KEYS  session
-- ARGV  generations
-- Returns how many sessions it removed. One of an unknown layout stays.
local found = redis.call('HMGET', KEYS[1], 'y', 'g')
for index = 1, #ARGV do
  if found[1] == LAYOUT and found[2] == ARGV[index] then
    return redis.call('UNLINK', KEYS[1])
  end
end
return 0
