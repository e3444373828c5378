-- Reads the value of a call that has one limit. The numbers of the limit stand before it (one-window.lua or
-- one-bucket.lua); value.lua, the fragment of an algorithm and one-end.lua follow.
--
-- KEYS[1]  the subject's hash
-- ARGV     the packed limit (packed-limits.ts), then the cost (absent: 1), then the maximum delay in ms (absent: no
--          bound)
-- Reply    see one-end.lua; `F` and nothing done: the general script (take.lua) must decide
--
-- Lean scripts define no function and no table, and call Redis three times for most decisions: each of these costs a
-- tenth of the script. What is rare (a clock that went back, a newer layout, a value that is no pair of numbers) is
-- left to the general script.

local field = string.sub(ARGV[1], 21)
local cost = 1
if ARGV[2] then
  cost = tonumber(ARGV[2])
end
local value = redis.call('HGET', KEYS[1], field)
