-- What the cache's scripts share; put before each of them. The entry's layout stands in entry.ts, the message's in
-- near/invalidation-message.ts.

-- Longer than any entry may live (30 days), and begun anew by every write of the bucket: while an entry lives, so does the
-- sequence that vouches for it, unless it is evicted, and then the entry is void.
local SEQUENCE_TTL_MS = '2678400000'
local HEADER_BYTES = 32
local KIND_NAMES = 1
local KIND_FLUSH = 2

-- Next number of a bucket's sequence. An incarnation is given once, when the hash is made.
local function advance(sequence_key, fresh_incarnation)
  redis.call('HSETNX', sequence_key, 'inc', fresh_incarnation)
  local number = redis.call('HINCRBY', sequence_key, 'n', 1)
  redis.call('PEXPIRE', sequence_key, SEQUENCE_TTL_MS)
  return redis.call('HGET', sequence_key, 'inc'), number
end

local function publish(channel, kind, incarnation, number, names)
  redis.call('SPUBLISH', channel, string.char(1, kind) .. incarnation .. struct.pack('>I8', number) .. names)
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
