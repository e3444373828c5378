-- Writes states of limits, and keeps the end of the key behind that of its values.

local FIELDS_CHECKED = 512
local MAX_FIELDS = 4096

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
  return damagedLog and removeDamaged({ damagedLog }) or NEWER_LAYOUT
end

-- When the value ends; of a damaged one: it has ended.
local function endOfValue(value)
  local endMs = #value >= 8 and struct.unpack('<d', value) or 0
  return isNumber(endMs) and endMs or 0
end

-- Whether a new field finds room, once what has ended is gone. A log's chunks (`<field>#<number>`) go with their log and never
-- before: its first chunk may have ended while the log still counts on reading it.
local function hasRoom()
  if redis.call('HLEN', KEYS[1]) <= FIELDS_CHECKED then
    return true
  end
  local all = redis.call('HGETALL', KEYS[1])
  local isLive = {}
  for index = 1, #all, 2 do
    if endOfValue(all[index + 1]) > nowMs then
      isLive[all[index]] = true
    end
  end
  local ended = 0
  for index = 1, #all, 2 do
    local owner = string.match(all[index], '^(.*)#') or all[index]
    if not isLive[owner] then
      redis.call('HDEL', KEYS[1], all[index])
      ended = ended + 1
    end
  end
  return #all / 2 - ended <= MAX_FIELDS
end

-- When the last of the fields ends that are not about to be written.
local function lastEndOfOthers(isWritten)
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
  if hasNew and not hasRoom() then
    return TOO_MANY_FIELDS
  end
  for index = 1, #limits do
    for _, dropped in ipairs(outcomes[index] and outcomes[index].dropped or {}) do
      redis.call('HDEL', KEYS[1], dropped)
    end
  end
  local isNewKey = hasNew and redis.call('HLEN', KEYS[1]) == 0
  if hasRepaired then
    -- The end of the key came from the broken clock too.
    keyEndMs = math.max(keyEndMs, lastEndOfOthers(isWritten))
  end
  redis.call('HSET', KEYS[1], unpack(writes))
  if isNewKey or hasRepaired then
    redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', keyEndMs))
  elseif keyEndMs > 0 then
    redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', keyEndMs), 'GT')
  end
  return nil
end
