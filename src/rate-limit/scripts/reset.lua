-- Deletes the state of some limits of a subject.
--
-- KEYS[1]  Hash of the subject.
-- ARGV     Fields of the limits.
-- Reply    1 if any of the fields existed, 0 if none did, 3 if a value has a newer layout and nothing was deleted.
--
-- The script also deletes the chunks of a log. The field name of a chunk consists of the field of the limit, `#` and a
-- number. The script reads no other fields.

local LAYOUT = 1
local HEAD_BYTES = 9
local LOG_HEAD_BYTES = 57
local NEWER_LAYOUT = 3
local MAX_CHUNKS = 4096

local fields = {}

-- Adds the existing fields among `names` to `fields`. Returns whether all of these fields have a known layout, followed
-- by the values of `names`.
local function note(names)
  local values = redis.call('HMGET', KEYS[1], unpack(names))
  for index, name in ipairs(names) do
    if values[index] then
      -- A value that is too short to contain a layout is damaged, so the script deletes it as well.
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
    -- The script does not delete the chunks of a damaged log, which expire with the key. In such a log, the loop could
    -- run for too long, or forever: from 2^53 on, an addition of 1 may not change a number.
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
