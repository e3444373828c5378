-- Invalidates all entries that have one of these tags (of one tag bucket) and publishes the tags on its channel, in one step. An entry is
-- invalid if its tag is missing or has another version, and the next write that has the tag makes a version that never was.
-- KEYS  sequence, channel, tags
-- ARGV  hash of the tag, or that of every tag  stamp, random  the tags as a message's names
for index = 3, #KEYS do
  redis.call('UNLINK', KEYS[index])
end
local incarnation, packed = advance(KEYS[1], ARGV[1], ARGV[2])
redis.call('SPUBLISH', KEYS[2], '\1\1\27' .. incarnation .. packed .. ARGV[2] .. ARGV[3])
return 1
