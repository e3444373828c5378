-- Common code of the cache scripts that change a bucket. near/ring.ts describes the layout of the ring, and
-- near/invalidation-message.ts describes the layout of a message. docs/internals/cache-formats.md explains both.

-- TTL of a sequence (31 days), which is longer than the maximum TTL of an entry. Every change of the bucket renews this
-- TTL, so a sequence outlives its entries. If Redis evicts a sequence, all entries of the bucket become invalid.
local SEQUENCE_TTL_MS = '2678400000'

-- Assigns the next number of a bucket's sequence to a change, and stores the change in the ring with the hash of the
-- key and the random stamp. The stamp of the first change also becomes the incarnation of the sequence.
local function advance(sequenceKey, hash, stamp)
  local marks = redis.call('HMGET', sequenceKey, 'inc', 'n', 'f')
  local incarnation = marks[1]
  if not tonumber(marks[2] or 0) or not tonumber(marks[3] or 0) or (incarnation and #incarnation ~= 8) then
    -- The sequence is damaged. Its removal invalidates all entries of the bucket. The sidecar repeats the command once
    -- (damage-repair.ts).
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
    -- Redis rejected PEXPIRE. A new key must not remain without an expiry.
    if not marks[1] then
      redis.call('UNLINK', sequenceKey)
    end
    error(reply)
  end
  return incarnation, packed, number
end
