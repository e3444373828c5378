-- Voids all entries that bear one of these tags (of one tag bucket) and says so on its channel, in one step. A tag without
-- a version voids as one with another version does, and the next write that bears it makes a version that never was.
-- KEYS  sequence, channel, tags
-- ARGV  incarnation for a new sequence, the tags as a message's names
for index = 3, #KEYS do
  redis.call('UNLINK', KEYS[index])
end
local incarnation, number = advance(KEYS[1], ARGV[1])
publish(KEYS[2], KIND_NAMES, incarnation, number, ARGV[1], ARGV[2])
return 1
