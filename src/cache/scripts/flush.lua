-- Voids all entries of one bucket, however many, and says so on its channel, in one step.
-- KEYS  sequence, channel
-- ARGV  incarnation for a new sequence
-- A server that is full refuses a command that may need room, but not in a script that has written before: hence this, which
-- takes none, comes first.
redis.call('PEXPIRE', KEYS[1], SEQUENCE_TTL_MS)
local incarnation, number = advance(KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], 'f', string.format('%.0f', number))
publish(KEYS[2], KIND_FLUSH, incarnation, number, ARGV[1], '')
return 1
