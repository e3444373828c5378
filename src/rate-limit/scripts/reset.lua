-- Forgets what a subject has used of some limits.
--
-- KEYS[1]  the subject's hash
-- ARGV     the fields of the limits
-- Reply    1 when one of them was there, 0 when none was, 3 when a value has a newer layout: nothing was done
--
-- A log's chunks go with it: their fields are the limit's with `#` and a number. The other fields of the subject are not read.

local LAYOUT = 1
local HEAD_BYTES = 9
local LOG_HEAD_BYTES = 57
local NEWER_LAYOUT = 3
local MAX_CHUNKS = 4096

local fields = {}

-- Notes those fields that are there. Whether all of them have a known layout.
local function note(names)
  local values = redis.call('HMGET', KEYS[1], unpack(names))
  for index, name in ipairs(names) do
    if values[index] then
      -- A value without a layout is damaged, and goes too.
      if #values[index] >= HEAD_BYTES and string.byte(values[index], HEAD_BYTES) ~= LAYOUT then
        return false
      end
      fields[#fields + 1] = name
    end
  end
  return true, values
end

local isKnown, values = note(ARGV)
if not isKnown then
  return NEWER_LAYOUT
end
for index, name in ipairs(ARGV) do
  local value = values[index]
  if value and string.sub(name, 1, 2) == '2:' and #value >= LOG_HEAD_BYTES then
    local _, first, next = struct.unpack('<ddd', value, HEAD_BYTES + 1)
    local chunks = {}
    -- Those of a damaged log end with the key. Beyond 2^53 adding 1 changes nothing, and the loop would never end.
    if first >= 0 and next < 9007199254740992 and next - first <= MAX_CHUNKS then
      for number = first, next - 1 do
        chunks[#chunks + 1] = string.format('%s#%.0f', name, number)
      end
    end
    if #chunks > 0 and not note(chunks) then
      return NEWER_LAYOUT
    end
  end
end
for _, field in ipairs(fields) do
  redis.call('HDEL', KEYS[1], field)
end
return #fields > 0 and 1 or 0
