-- Deletes tags of one tag bucket and publishes their names on the bucket's channel, in one atomic step. The deletion
-- invalidates all entries that have one of the tags, because an entry is invalid if its tag is missing or has a
-- different version. The next write with a deleted tag creates a new random version.
-- KEYS contains the key of the sequence, the name of the channel and the keys of the tags.
-- ARGV contains the hash of the tag (or the hash that means every tag), a random stamp, and the tags, encoded as names
-- of a message.
for index = 3, #KEYS do
  redis.call('UNLINK', KEYS[index])
end
local incarnation, packed = advance(KEYS[1], ARGV[1], ARGV[2])
redis.call('SPUBLISH', KEYS[2], '\1\1\27' .. incarnation .. packed .. ARGV[2] .. ARGV[3])
return 1
