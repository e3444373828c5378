-- Implements SLIDING_WINDOW_LOG, which the file sliding-window-log.ts explains. A stored value contains six numbers
-- (oldest, first, next, skipped entries, skipped units, total), followed by the entries of the tail. The full chunks
-- have the numbers `first` to `next - 1`. Each full chunk has its own field, which contains the expiry, the layout, the
-- units and 64 entries. An entry has 10 bytes: its time in ms and its units.

local LOG_CHUNK_ENTRIES = 64
local LOG_ENTRY_BYTES = 10
local LOG_HEAD_BYTES = 57
local LOG_CHUNK_HEAD_BYTES = 17
-- Maximum number of chunks whose units one command reads.
local LOG_CHUNKS_READ = 16
-- Whether the script found a chunk that it cannot read. Results that the script computes after it has found such a
-- chunk are wrong, so the script must not write them.
local hasNewerChunk = false
-- Fields of the logs that have a damaged chunk. A log with a chunk of a newer layout is not in this list.
local damagedLogs = {}

local function noteDamagedChunk(field)
  hasNewerChunk = true
  damagedLogs[#damagedLogs + 1] = field
end

local function logChunkField(field, index)
  return string.format('%s#%.0f', field, index)
end

-- Returns the time and the units of entry `index`, counted from 0.
local function logEntry(entries, index)
  return struct.unpack('<dH', entries, index * LOG_ENTRY_BYTES + 1)
end

-- Returns the units and the entries of a full chunk.
local function logChunk(field, index)
  local value = redis.call('HGET', KEYS[1], logChunkField(field, index))
  if isDamagedChunk(value) then
    noteDamagedChunk(field)
    return 0, ''
  end
  local _, layout, units = struct.unpack('<dBd', value)
  if layout ~= LAYOUT then
    hasNewerChunk = true
  end
  return units, string.sub(value, LOG_CHUNK_HEAD_BYTES + 1)
end

local function logRead(value)
  if not value then
    return { oldest = 0, first = 0, next = 0, skippedEntries = 0, skippedUnits = 0, total = 0, tail = '' }
  end
  local oldest, first, next, skippedEntries, skippedUnits, total = struct.unpack('<dddddd', value, 10)
  return {
    oldest = oldest,
    first = first,
    next = next,
    skippedEntries = skippedEntries,
    skippedUnits = skippedUnits,
    total = total,
    tail = string.sub(value, LOG_HEAD_BYTES + 1),
  }
end

local function logNewest(log)
  local count = #log.tail / LOG_ENTRY_BYTES
  if count == 0 then
    return nil
  end
  return (logEntry(log.tail, count - 1))
end

local function logForget(field, log, dropped)
  while log.first < log.next do
    dropped[#dropped + 1] = logChunkField(field, log.first)
    log.first = log.first + 1
  end
  log.skippedEntries, log.skippedUnits, log.total, log.tail = 0, 0, 0, ''
end

-- Drops the entries whose time is horizonMs or earlier.
local function logTrim(field, log, horizonMs, dropped)
  local newest = logNewest(log)
  if not newest or newest <= horizonMs then
    logForget(field, log, dropped)
    return
  end
  if log.oldest > horizonMs then
    return
  end
  local entries = log.tail
  while log.first < log.next do
    local units
    units, entries = logChunk(field, log.first)
    if hasNewerChunk then
      return
    end
    if logEntry(entries, LOG_CHUNK_ENTRIES - 1) > horizonMs then
      break
    end
    log.total = log.total - (units - log.skippedUnits)
    log.skippedEntries, log.skippedUnits = 0, 0
    dropped[#dropped + 1] = logChunkField(field, log.first)
    log.first = log.first + 1
    entries = log.tail
  end
  local units = 0
  local time, entryUnits = logEntry(entries, log.skippedEntries)
  while time <= horizonMs do
    units = units + entryUnits
    log.skippedEntries = log.skippedEntries + 1
    time, entryUnits = logEntry(entries, log.skippedEntries)
  end
  log.total = log.total - units
  log.oldest = time
  if log.first == log.next then
    log.tail = string.sub(log.tail, log.skippedEntries * LOG_ENTRY_BYTES + 1)
    log.skippedEntries, log.skippedUnits = 0, 0
  else
    log.skippedUnits = log.skippedUnits + units
  end
end

-- Returns the chunk that contains unit number `target`, and the number of units in the chunks before it. Units are
-- numbered from the first unit of the first chunk. Returns nil if the unit is in the tail. `chunkUnits` is the number
-- of units in all chunks. If this number equals the number of entries, every entry has exactly one unit, so the
-- function computes the chunk without reading any chunk. Otherwise the function reads the chunks from the end that is
-- nearer to the unit.
local function logFindChunk(field, log, target, chunkUnits)
  if target > chunkUnits then
    return nil, chunkUnits
  end
  if chunkUnits == (log.next - log.first) * LOG_CHUNK_ENTRIES then
    local before = math.floor((target - 1) / LOG_CHUNK_ENTRIES)
    return log.first + before, before * LOG_CHUNK_ENTRIES
  end
  local isFromEnd = target > chunkUnits / 2
  local index, increment, remaining, passed = log.first, 1, target, 0
  if isFromEnd then
    index, increment, remaining = log.next - 1, -1, chunkUnits - target + 1
  end
  while true do
    local parts = {}
    for offset = 0, LOG_CHUNKS_READ - 1 do
      parts[offset + 1] = logChunkField(field, index + offset * increment)
    end
    for _, value in ipairs(redis.call('HMGET', KEYS[1], unpack(parts))) do
      if isDamagedChunk(value) then
        noteDamagedChunk(field)
        return nil, 0
      end
      local _, layout, units = struct.unpack('<dBd', value)
      if layout ~= LAYOUT then
        hasNewerChunk = true
        return nil, 0
      end
      if passed + units >= remaining then
        return index, isFromEnd and chunkUnits - passed - units or passed
      end
      index, passed = index + increment, passed + units
    end
  end
end

-- Returns the time of the entry whose expiry raises the number of expired units to `units` or more.
local function logLeavesAt(field, log, units)
  local target = units + log.skippedUnits
  local entries, tailUnits = log.tail, 0
  for index = 0, #log.tail / LOG_ENTRY_BYTES - 1 do
    local _, entryUnits = logEntry(log.tail, index)
    tailUnits = tailUnits + entryUnits
  end
  local chunk, before = logFindChunk(field, log, target, log.total + log.skippedUnits - tailUnits)
  if chunk then
    local _, chunkEntries = logChunk(field, chunk)
    entries = chunkEntries
  end
  if hasNewerChunk then
    return 0
  end
  target = target - before
  local index = 0
  local time, sum = logEntry(entries, 0)
  while sum < target do
    index = index + 1
    if (index + 1) * LOG_ENTRY_BYTES > #entries then
      -- The entries of the chunk have fewer units than the header of the chunk states.
      noteDamagedChunk(field)
      return 0
    end
    local entryTime, entryUnits = logEntry(entries, index)
    time = entryTime
    sum = sum + entryUnits
  end
  return time
end

local function logAppend(field, log, atMs, units, windowMs, chunks)
  if log.total == 0 then
    log.oldest = atMs
  end
  log.total = log.total + units
  local count = #log.tail / LOG_ENTRY_BYTES
  if count > 0 then
    local lastTime, lastUnits = logEntry(log.tail, count - 1)
    if lastTime == atMs then
      log.tail = string.sub(log.tail, 1, -LOG_ENTRY_BYTES - 1) .. struct.pack('<dH', atMs, lastUnits + units)
      return
    end
    if count == LOG_CHUNK_ENTRIES then
      local sum = 0
      for index = 0, count - 1 do
        local _, entryUnits = logEntry(log.tail, index)
        sum = sum + entryUnits
      end
      chunks[#chunks + 1] = logChunkField(field, log.next)
      chunks[#chunks + 1] = struct.pack('<dBd', lastTime + windowMs, LAYOUT, sum) .. log.tail
      log.next = log.next + 1
      log.tail = ''
    end
  end
  log.tail = log.tail .. struct.pack('<dH', atMs, units)
end

-- Removes the newest units from the log. If the tail becomes empty, the last chunk becomes the tail.
local function logRemoveNewest(field, log, units, dropped)
  if units >= log.total then
    logForget(field, log, dropped)
    return
  end
  log.total = log.total - units
  while true do
    local count = #log.tail / LOG_ENTRY_BYTES
    local lastTime, lastUnits = logEntry(log.tail, count - 1)
    log.tail = string.sub(log.tail, 1, -LOG_ENTRY_BYTES - 1)
    if lastUnits > units then
      log.tail = log.tail .. struct.pack('<dH', lastTime, lastUnits - units)
      return
    end
    units = units - lastUnits
    if count == 1 then
      log.next = log.next - 1
      local _, entries = logChunk(field, log.next)
      if hasNewerChunk then
        return
      end
      dropped[#dropped + 1] = logChunkField(field, log.next)
      log.tail = entries
      if log.first == log.next then
        log.tail = string.sub(entries, log.skippedEntries * LOG_ENTRY_BYTES + 1)
        log.skippedEntries, log.skippedUnits = 0, 0
      end
    end
  end
end

local function stepSlidingWindowLog(field, value, limit, windowMs, _, nowMs, cost)
  local log = logRead(value)
  local dropped, chunks = {}, {}
  local newest = logNewest(log) or nowMs
  local atMs = math.max(nowMs, newest)
  logTrim(field, log, atMs - windowMs, dropped)
  local repaired = newest - nowMs > windowMs
  if repaired then
    local total = log.total
    atMs = nowMs
    logForget(field, log, dropped)
    log.oldest, log.total, log.tail = nowMs, total, struct.pack('<dH', nowMs, total)
  end
  if cost < 0 then
    logRemoveNewest(field, log, -cost, dropped)
    cost = 0
  end
  local allowed = log.total + cost <= limit
  local retryAfterMs = 0
  if not allowed then
    retryAfterMs = logLeavesAt(field, log, log.total + cost - limit) + windowMs - nowMs
  elseif cost > 0 then
    logAppend(field, log, atMs, cost, windowMs, chunks)
  end
  local resetAfterMs = 0
  if log.total > 0 and not hasNewerChunk then
    resetAfterMs = logNewest(log) + windowMs - nowMs
  end
  return {
    allowed = allowed,
    remaining = math.max(0, limit - log.total),
    retryAfterMs = retryAfterMs,
    resetAfterMs = resetAfterMs,
    delayMs = 0,
    repaired = repaired,
    numbers = struct.pack('<dddddd', log.oldest, log.first, log.next, log.skippedEntries, log.skippedUnits, log.total) .. log.tail,
    dropped = dropped,
    chunks = chunks,
  }
end
