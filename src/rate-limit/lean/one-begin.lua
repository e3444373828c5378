-- Reads the limit of a call that has one, and its value. The fragment of an algorithm follows, then one-end.lua.
--
-- KEYS[1]  the subject's hash
-- ARGV     the packed limit (packed-limits.ts), then the cost (absent: 1), then the maximum delay in ms (absent: no bound)
-- Reply    see one-end.lua; `F` and nothing done: the general script (take.lua) must decide
--
-- Lean scripts define no function and no table, and call Redis three times for most decisions: each of these costs a tenth of the script.
-- What is rare (a clock that went back, a newer layout, a value that is no pair of numbers) is left to the general script.

local a1, a2, a3, a4, a5, a6, b1, b2, b3, b4, b5, b6, c1, c2, c3, c4, c5, c6 = string.byte(ARGV[1], 2, 19)
local limit = ((((a1 * 128 + a2) * 128 + a3) * 128 + a4) * 128 + a5) * 128 + a6
local windowMs = ((((b1 * 128 + b2) * 128 + b3) * 128 + b4) * 128 + b5) * 128 + b6
local burst = ((((c1 * 128 + c2) * 128 + c3) * 128 + c4) * 128 + c5) * 128 + c6
local field = string.sub(ARGV[1], 21)
local cost = 1
if ARGV[2] then
  cost = tonumber(ARGV[2])
end
local value = redis.call('HGET', KEYS[1], field)
local endMs, atMs, used, other = 0, nowMs, 0, 0
if value then
  local layout
  if #value == 33 then
    endMs, layout, atMs, used, other = struct.unpack('<dBddd', value)
  end
  if layout ~= 1 or atMs > nowMs then
    return 'F'
  end
end
local fits, emptyMs
