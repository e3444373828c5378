-- Shared by the cache's scripts that change a bucket. near/ring.ts has the layout of the ring, near/invalidation-message.ts that of a
-- message; docs/internals/cache-formats.md explains both.

-- Longer than any entry may live (30 days), and renewed by every change of the bucket: the sequence that vouches for an entry outlives it
-- unless it is evicted, and then the entry is invalid.
local SEQUENCE_TTL_MS = '2678400000'

-- Takes the next number of a bucket's sequence and enters it in the ring with the hash of the key and the random stamp. The stamp of the
-- first change is the incarnation of the sequence, too.
local function advance(sequence_key, hash, stamp)
  local marks = redis.call('HMGET', sequence_key, 'inc', 'n')
  local incarnation = marks[1]
  local number = (marks[2] or 0) + 1
  local packed = struct.pack('>I8', number)
  if incarnation then
    redis.call('HSET', sequence_key, 'n', number, number % 64, packed .. hash .. stamp)
  else
    incarnation = stamp
    redis.call('HSET', sequence_key, 'inc', incarnation, 'n', number, number % 64, packed .. hash .. stamp)
  end
  local reply = redis.pcall('PEXPIRE', sequence_key, SEQUENCE_TTL_MS)
  if reply ~= 1 then
    -- Redis refused it: a new key must not stay without an expiry.
    if not marks[1] then
      redis.call('UNLINK', sequence_key)
    end
    error(reply)
  end
  return incarnation, packed, number
end
