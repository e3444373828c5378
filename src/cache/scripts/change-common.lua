-- Shared by the cache's scripts that change a bucket. near/ring.ts has the layout of the ring, near/invalidation-message.ts that of a
-- message; docs/internals/cache-formats.md explains both.

-- Longer than any entry may live (30 days), and renewed by every change of the bucket: the sequence that vouches for an entry outlives it
-- unless it is evicted, and then the entry is invalid.
local SEQUENCE_TTL_MS = '2678400000'

-- Takes the next number of a bucket's sequence and enters it in the ring with the hash of the key and the random stamp. The stamp of the
-- first change is the incarnation of the sequence, too.
local function advance(sequenceKey, hash, stamp)
  local marks = redis.call('HMGET', sequenceKey, 'inc', 'n', 'f')
  local incarnation = marks[1]
  if not tonumber(marks[2] or 0) or not tonumber(marks[3] or 0) or (incarnation and #incarnation ~= 8) then
    -- It is damaged. Without it no entry of the bucket is valid; the program sends the call once more (damage-repair.ts).
    redis.call('UNLINK', sequenceKey)
    error({ err = 'DAMAGED sequence' })
  end
  local number = (marks[2] or 0) + 1
  local packed = struct.pack('>I8', number)
  if incarnation then
    redis.call('HSET', sequenceKey, 'n', number, number % 64, packed .. hash .. stamp)
  else
    incarnation = stamp
    redis.call('HSET', sequenceKey, 'inc', incarnation, 'n', number, number % 64, packed .. hash .. stamp)
  end
  local reply = redis.pcall('PEXPIRE', sequenceKey, SEQUENCE_TTL_MS)
  if reply ~= 1 then
    -- Redis refused it: a new key must not stay without an expiry.
    if not marks[1] then
      redis.call('UNLINK', sequenceKey)
    end
    error(reply)
  end
  return incarnation, packed, number
end
