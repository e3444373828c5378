-- Invalidates all entries that have one of these tags of one tag bucket, and publishes the tags on its channel, in one atomic step. An
-- entry is invalid if its tag is missing or has a different version. The next write with the tag creates a new random version.
-- KEYS  sequence, channel, tags
-- ARGV  hash of the tag, or the hash that means every tag  random stamp  tags, encoded as names of a message
for index = 3, #KEYS do
  redis.call('UNLINK', KEYS[index])
end
local incarnation, packed = advance(KEYS[1], ARGV[1], ARGV[2])
redis.call('SPUBLISH', KEYS[2], '\1\1\27' .. incarnation .. packed .. ARGV[2] .. ARGV[3])
return 1
