-- Voids all entries of one bucket, however many, and says so on its channel, in one step.
-- KEYS  sequence, channel
-- ARGV  incarnation for a new sequence
local incarnation, number = advance(KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], 'f', string.format('%.0f', number))
publish(KEYS[2], KIND_FLUSH, incarnation, number, '')
return 1
