-- Writes states of limits, and keeps the end of the key behind that of its values.

local FIELDS_CHECKED = 512
local MAX_FIELDS = 4096
-- Fields that a call with a new one examines, beside two for each that it writes: ended ones go faster than new ones come.
local FIELDS_SWEPT = 8

-- The error reply for which the program sends the call once more (damage-repair.ts), after what is damaged was removed.
local function removeDamaged(names)
  for _, name in ipairs(names) do
    redis.call('HDEL', KEYS[1], name)
  end
  return { err = 'DAMAGED limit' }
end

if #damaged > 0 then
  return removeDamaged(damaged)
end

-- The reply where a chunk of a log cannot be read.
local function unreadableChunk()
  return #damagedLogs > 0 and removeDamaged(damagedLogs) or NEWER_LAYOUT
end

-- When the value ends; of a damaged one: it has ended.
local function endOfValue(value)
  local endMs = #value >= 8 and struct.unpack('<d', value) or 0
  return isNumber(endMs) and endMs or 0
end

-- Whether a field has ended. A log's chunks (`<field>#<number>`) end with their log and never before: its first chunk may have ended
-- while the log still counts on reading it. A chunk that its log does not name is left over.
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

-- Removes the ended ones of about `count` fields, from the cursor on. Returns the next cursor and how many it examined.
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

-- Whether new fields find room. Examines a bounded number of the fields, however many there are. HSCAN takes any number as a cursor:
-- multiples of the golden ratio spread over all places, so that no state is kept between calls. 20 bits are more than a hash of
-- MAX_FIELDS has places, and few enough that none of them is lost to rounding.
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

-- When the last of the fields ends that are not about to be written; nil when there are too many to read.
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

-- Writes those outcomes of the list that are there (by index of their limit). Returns an error reply, or nil.
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
        -- A quarter of a window of slack, so that most decisions leave the expiry of the key alone.
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
  -- The end of the key came from the broken clock too.
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
