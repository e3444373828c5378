-- What the general scripts (take.lua, peek.lua, give.lua) share: they decide any number of limits of any algorithm.
--
-- KEYS[1]  the subject's hash: a field per limit and the chunks of logs. A value is packed: its end (ms), the layout, numbers of its
--          algorithm. The key lives at least until the end of each of its values.
-- ARGV     the packed limits (packed-limits.ts), the units (cost, or units to return), the maximum delay in ms (-1: no bound)
-- Reply    one packed value: a byte (see general-limits.lua), then per limit: flags (1 allowed, 2 never), remaining, retry after ms,
--          reset after ms, delay ms

local LAYOUT = 1
local HEAD_BYTES = 9
