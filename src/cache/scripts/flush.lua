-- Invalidates all entries of one bucket and publishes the flush on its channel, in one atomic step.
-- KEYS contains the key of the sequence and the name of the channel.
-- ARGV contains the hash that means every key, and a random stamp.
local incarnation, packed, number = advance(KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[1], 'f', number)
redis.call('SPUBLISH', KEYS[2], '\1\2\27' .. incarnation .. packed .. ARGV[2])
return 1
