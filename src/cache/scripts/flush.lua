-- Invalidates all entries of one bucket, however many, and publishes that on its channel, in one step.
-- KEYS  sequence, channel
-- ARGV  hash of every key  stamp, random
local incarnation, packed, number = advance(KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[1], 'f', number)
redis.call('SPUBLISH', KEYS[2], '\1\2\27' .. incarnation .. packed .. ARGV[2])
return 1
