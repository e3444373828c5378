-- Detects damaged values. A value is damaged if none of our scripts can have written it. The functions never treat a
-- value of a newer layout as damaged, whatever the value contains.

local VALUE_BYTES = 33
local LOG_VALUE_BYTES = 57
local LOG_CHUNK_BYTES = 657
local MAX_LOG_CHUNKS = 4096

-- Returns whether the number is neither NaN nor infinite nor negative.
local function isNumber(number)
  return number >= 0 and number < 9007199254740992
end

local function areNumbers(value, from, to)
  for at = from, to, 8 do
    if not isNumber((struct.unpack('<d', value, at))) then
      return false
    end
  end
  return true
end

local function isDamagedLog(value)
  local tailBytes = #value - LOG_VALUE_BYTES
  if tailBytes < 0 or tailBytes % 10 ~= 0 or tailBytes > 640 or not areNumbers(value, 10, 50) then
    return true
  end
  local first, next, skipped, _, total = struct.unpack('<ddddd', value, 18)
  if first % 1 ~= 0 or next % 1 ~= 0 or skipped % 1 ~= 0 or next < first or next - first > MAX_LOG_CHUNKS then
    return true
  end
  if tailBytes == 0 then
    return total ~= 0 or next ~= first
  end
  return total == 0 or skipped >= 64 or (next == first and skipped ~= 0)
end

-- Returns whether the value of a limit is damaged. `number` is the number of the limit's algorithm.
local function isDamaged(number, value)
  if #value < HEAD_BYTES then
    return true
  end
  if string.byte(value, HEAD_BYTES) ~= LAYOUT then
    return false
  end
  if not areNumbers(value, 1, 1) then
    return true
  end
  if number == 2 then
    return isDamagedLog(value)
  end
  return #value ~= VALUE_BYTES or not areNumbers(value, 10, 26)
end

-- Returns whether a chunk of a log is damaged. `value` is false if the chunk is missing.
local function isDamagedChunk(value)
  if not value or #value < HEAD_BYTES then
    return true
  end
  if string.byte(value, HEAD_BYTES) ~= LAYOUT then
    return false
  end
  return #value ~= LOG_CHUNK_BYTES or not areNumbers(value, 10, 10)
end
