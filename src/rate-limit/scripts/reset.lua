-- Forgets what a subject has used of some limits.
--
-- KEYS[1]  the subject's hash
-- ARGV     the fields of the limits
-- Reply    1 when one of them was there, else 0
--
-- A log's chunks go with it: their fields are the limit's with `#` and a number.

local all = redis.call('HKEYS', KEYS[1])
local existed = 0
for _, field in ipairs(ARGV) do
  existed = existed + redis.call('HDEL', KEYS[1], field)
  for _, other in ipairs(all) do
    if string.sub(other, 1, #field + 1) == field .. '#' then
      redis.call('HDEL', KEYS[1], other)
    end
  end
end
return existed > 0 and 1 or 0
