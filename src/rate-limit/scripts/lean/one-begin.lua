-- Reads the stored value of the limit, for a call with one limit. The assembled script consists of one-window.lua or
-- one-bucket.lua, this file, value.lua, the fragment of the algorithm, and one-end.lua.
--
-- KEYS[1]  Hash of the subject.
-- ARGV     Packed limit (packed-limits.ts), cost (default: 1), maximum delay in ms (default: no maximum).
-- Reply    See one-end.lua. The reply is `F` if this script changed nothing and the general script (take.lua) must
--          decide.
--
-- This script creates no function and no table, and calls Redis only three times for most decisions. Each new function,
-- each new table and each Redis call takes about a tenth of the script's time. The script leaves rare cases (a clock
-- that moved backwards, a newer layout, a damaged value) to the general script.

local field = string.sub(ARGV[1], 21)
local cost = 1
if ARGV[2] then
  cost = tonumber(ARGV[2])
end
local value = redis.call('HGET', KEYS[1], field)
