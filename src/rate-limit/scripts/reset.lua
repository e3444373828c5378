-- Forgets what a subject has used of some limits.
--
-- KEYS[1]  the subject's hash
-- ARGV     the fields of the limits
-- Reply    1 when one of them was there, 0 when none was, 3 when a value has a newer layout: nothing was done
--
-- A log's chunks go with it: their fields are the limit's with `#` and a number.

local LAYOUT = 1
local HEAD_BYTES = 9
local NEWER_LAYOUT = 3

local all = redis.call('HGETALL', KEYS[1])
local fields = {}
local existed = 0
for index = 1, #all, 2 do
  local name, value = all[index], all[index + 1]
  for _, field in ipairs(ARGV) do
    if name == field or string.sub(name, 1, #field + 1) == field .. '#' then
      -- A value without a layout is damaged, and goes too.
      if #value >= HEAD_BYTES and string.byte(value, HEAD_BYTES) ~= LAYOUT then
        return NEWER_LAYOUT
      end
      fields[#fields + 1] = name
      existed = 1
    end
  end
end
for _, field in ipairs(fields) do
  redis.call('HDEL', KEYS[1], field)
end
return existed
