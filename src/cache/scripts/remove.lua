-- Removes entries of one bucket and publishes their keys on its channel, in one atomic step, even if there is nothing
-- to remove.
-- KEYS contains the key of the sequence, the name of the channel and the keys of the entries.
-- ARGV contains the hash of the cache key (or the hash that means every key), a random stamp, and the cache keys,
-- encoded as names of a message.
-- Returns the number of entries that had a value.
local marks = redis.call('HMGET', KEYS[1], 'inc', 'f')
local removed = 0
for index = 3, #KEYS do
  local entry = redis.call('GETRANGE', KEYS[index], 0, 255)
  if isLive(entry, marks[1], marks[2]) and string.byte(entry, 2) % 2 == 0 then
    removed = removed + 1
  end
  redis.call('UNLINK', KEYS[index])
end
local incarnation, packed = advance(KEYS[1], ARGV[1], ARGV[2])
redis.call('SPUBLISH', KEYS[2], '\1\1\27' .. incarnation .. packed .. ARGV[2] .. ARGV[3])
return removed
