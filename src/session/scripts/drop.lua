-- Removes a session that is invalid, if it still bears one of these generations: it may have become another user's meanwhile.
-- KEYS  session
-- ARGV  generations
local generation = redis.call('HGET', KEYS[1], 'g')
for index = 1, #ARGV do
  if generation == ARGV[index] then
    return redis.call('UNLINK', KEYS[1])
  end
end
return 0
