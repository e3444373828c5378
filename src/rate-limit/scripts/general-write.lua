-- Writes the states of limits, and ensures that the key does not expire before any of its values.

local FIELDS_CHECKED = 512
local MAX_FIELDS = 4096
-- Number of fields that a call checks for expiry if the call writes a new field. The call checks two more fields for
-- each field that the call writes, so calls remove expired fields faster than they add new fields.
local FIELDS_SWEPT = 8

-- Removes damaged fields and returns an error reply, after which the sidecar repeats the call (damage-repair.ts).
local function removeDamaged(names)
  for _, name in ipairs(names) do
    redis.call('HDEL', KEYS[1], name)
  end
  return { err = 'DAMAGED limit' }
end

if #damaged > 0 then
  return removeDamaged(damaged)
end

-- Returns the reply for a log with a chunk that the script cannot read. Removes damaged logs.
local function unreadableChunk()
  return #damagedLogs > 0 and removeDamaged(damagedLogs) or NEWER_LAYOUT
end

-- Returns the expiry of a value, or 0 if the expiry is damaged.
local function endOfValue(value)
  local endMs = #value >= 8 and struct.unpack('<d', value) or 0
  return isNumber(endMs) and endMs or 0
end

-- Returns whether a field has expired. The chunks of a log (`<field>#<number>`) expire together with the log, even if
-- their own expiry is earlier, because the log still refers to its first chunk. A chunk whose own expiry has passed
-- counts as expired only if no unexpired log refers to it.
local function hasEnded(field, value)
  if endOfValue(value) > nowMs then
    return false
  end
  local owner, number = string.match(field, '^(.*)#(%d+)$')
  local head = owner and redis.call('HGET', KEYS[1], owner)
  if not head or endOfValue(head) <= nowMs then
    return true
  end
  if string.byte(head, HEAD_BYTES) ~= LAYOUT then
    return false
  end
  if isDamagedLog(head) then
    return true
  end
  local _, first, next = struct.unpack('<ddd', head, HEAD_BYTES + 1)
  return tonumber(number) < first or tonumber(number) >= next
end

-- Scans about `count` fields and removes the expired fields. Returns the next cursor and the number of scanned fields.
local function sweepFrom(cursor, count)
  local reply = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', count)
  local entries = reply[2]
  for index = 1, #entries, 2 do
    if hasEnded(entries[index], entries[index + 1]) then
      redis.call('HDEL', KEYS[1], entries[index])
    end
  end
  return reply[1], #entries / 2
end

-- Removes expired fields among a limited number of fields. Returns whether a call may add fields to the key. HSCAN
-- accepts any number as a cursor. The script computes the cursor with the golden ratio, which spreads the cursors of
-- successive calls over the whole hash. Therefore the script need not store a cursor between calls. A cursor has 20
-- bits, because 20 bits can address every bucket of a hash with MAX_FIELDS fields, and because rounding to 20 bits
-- skips no bucket.
local function hasRoom(writtenCount)
  local fieldCount = redis.call('HLEN', KEYS[1])
  if fieldCount <= FIELDS_CHECKED then
    return true
  end
  local place = (nowMs % 16777216 + fieldCount * 7919) * 0.6180339887498949 % 1
  local count = FIELDS_SWEPT + 2 * writtenCount
  local cursor, examined = sweepFrom(whole(math.floor(place * 1048576)), count)
  if cursor == '0' and examined < count then
    sweepFrom(cursor, count)
  end
  return redis.call('HLEN', KEYS[1]) <= MAX_FIELDS
end

-- Returns the latest expiry of the fields that this call does not write, or nil if there are too many fields to read.
local function lastEndOfOthers(isWritten)
  if redis.call('HLEN', KEYS[1]) > FIELDS_CHECKED then
    return nil
  end
  local lastMs = 0
  local all = redis.call('HGETALL', KEYS[1])
  for index = 1, #all, 2 do
    if not isWritten[all[index]] then
      lastMs = math.max(lastMs, endOfValue(all[index + 1]))
    end
  end
  return lastMs
end

-- Writes the states of the given outcomes. The keys in `outcomes` are the indexes of the limits, and `outcomes` may
-- omit limits.
-- Returns an error reply, or nil after success.
local function write(outcomes)
  local writes, isWritten = {}, {}
  local keyEndMs = 0
  local hasNew, hasRepaired = false, false
  for index = 1, #limits do
    local outcome = outcomes[index]
    if outcome then
      local field, value = fields[index], stored[index]
      hasNew = hasNew or not value
      hasRepaired = hasRepaired or outcome.repaired
      local endMs = value and not outcome.repaired and struct.unpack('<d', value) or 0
      local lastMs = nowMs + outcome.resetAfterMs
      if endMs < lastMs or endMs == 0 then
        -- Adds about a quarter of a window (at least 1 s, at most 1 h) to the expiry, so that most decisions need not
        -- change the expiry of the key.
        endMs = lastMs + math.floor(math.min(3600000, math.max(1000, limits[index].windowMs / 4)))
        keyEndMs = math.max(keyEndMs, endMs)
      end
      isWritten[field] = true
      writes[#writes + 1] = field
      writes[#writes + 1] = struct.pack('<dB', endMs, LAYOUT) .. outcome.numbers
      for at, part in ipairs(outcome.chunks or {}) do
        writes[#writes + 1] = part
        isWritten[part] = at % 2 == 1 or nil
      end
    end
  end
  if #writes == 0 then
    return nil
  end
  if hasNew and not hasRoom(#writes / 2) then
    return TOO_MANY_FIELDS
  end
  for index = 1, #limits do
    for _, dropped in ipairs(outcomes[index] and outcomes[index].dropped or {}) do
      redis.call('HDEL', KEYS[1], dropped)
    end
  end
  local isNewKey = hasNew and redis.call('HLEN', KEYS[1]) == 0
  -- If a call with a broken clock wrote a state, that call also set the expiry of the key. Therefore the script
  -- recomputes the expiry of the key from all fields.
  local othersEndMs = hasRepaired and lastEndOfOthers(isWritten)
  redis.call('HSET', KEYS[1], unpack(writes))
  if isNewKey then
    return expireNewKey(KEYS[1], keyEndMs)
  elseif othersEndMs then
    redis.call('PEXPIREAT', KEYS[1], whole(math.max(keyEndMs, othersEndMs)))
  elseif keyEndMs > 0 then
    redis.call('PEXPIREAT', KEYS[1], whole(keyEndMs), 'GT')
  end
  return nil
end
