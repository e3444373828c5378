-- What the cache's scripts share; put before each of them. The entry's layout stands in entry.ts, the message's in
-- near/invalidation-message.ts.

-- Longer than any entry may live (30 days), and begun anew by every write of the bucket: while an entry lives, so does the
-- sequence that vouches for it, unless it is evicted, and then the entry is void.
local SEQUENCE_TTL_MS = '2678400000'
local HEADER_BYTES = 32
local KIND_NAMES = 1
local KIND_FLUSH = 2

-- Next number of a bucket's sequence. The random bytes are its stamp in the ring, and the incarnation of a hash that is made.
local function advance(sequence_key, random)
  redis.call('HSETNX', sequence_key, 'inc', random)
  local number = redis.call('HINCRBY', sequence_key, 'n', 1)
  local entry = struct.pack('>I8I8', number, 0) .. random
  redis.call('HSET', sequence_key, string.format('%.0f', number % 64), entry)
  redis.call('PEXPIRE', sequence_key, SEQUENCE_TTL_MS)
  return redis.call('HGET', sequence_key, 'inc'), number
end

local function publish(channel, kind, incarnation, number, random, names)
  redis.call('SPUBLISH', channel, string.char(1, kind, 27) .. incarnation .. struct.pack('>I8', number) .. random .. names)
end

-- What entries of a bucket are judged by.
local function read_marks(sequence_key)
  return redis.call('HMGET', sequence_key, 'inc', 'f')
end

-- Whether an entry (its header suffices) is of the bucket's sequence and written after its last flush.
local function is_live(entry, marks)
  if #entry < HEADER_BYTES or string.byte(entry, 1) ~= 1 or marks[1] ~= string.sub(entry, 3, 10) then
    return false
  end
  return struct.unpack('>I8', entry, 11) > tonumber(marks[2] or '0')
end

local function is_absent(entry)
  return string.byte(entry, 2) % 2 == 1
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
