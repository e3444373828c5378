-- Reads the limits of a call with several limits, and the stored values of these limits. In the assembled script,
-- value.lua and the fragments of the algorithms follow this file and run once for each limit. After the last limit,
-- several-end.lua consumes units from all limits or from none.
--
-- KEYS[1]  Hash of the subject.
-- ARGV     Packed limits (packed-limits.ts), cost (default: 1), maximum delay in ms (default: no maximum).
-- Reply    See several-end.lua. The reply is `F` if this script changed nothing and the general script (take.lua) must
--          decide.

local packed = ARGV[1]
-- Preallocates the tables for four limits, because growing empty tables took a tenth of the script's time.
local fields = { nil, nil, nil, nil }
local at, count = 1, 0
while at <= #packed do
  local length = string.byte(packed, at + 19)
  count = count + 1
  fields[count] = string.sub(packed, at + 20, at + 19 + length)
  at = at + 20 + length
end
local cost = 1
if ARGV[2] then
  cost = tonumber(ARGV[2])
end
local stored = redis.call('HMGET', KEYS[1], unpack(fields))
local values = { nil, nil, nil, nil }
local writes = { nil, nil, nil, nil, nil, nil, nil, nil }
local allFit, hasNew = true, false
local keyEndMs = 0
at = 1
for index = 1, count do
  local value = stored[index]
  local number, a1, a2, a3, a4, a5, a6, b1, b2, b3, b4, b5, b6, c1, c2, c3, c4, c5, c6 = string.byte(packed, at, at + 18)
  local limit = ((((a1 * 128 + a2) * 128 + a3) * 128 + a4) * 128 + a5) * 128 + a6
  local windowMs = ((((b1 * 128 + b2) * 128 + b3) * 128 + b4) * 128 + b5) * 128 + b6
  local burst = ((((c1 * 128 + c2) * 128 + c3) * 128 + c4) * 128 + c5) * 128 + c6
  at = at + 20 + #fields[index]
  hasNew = hasNew or not value
