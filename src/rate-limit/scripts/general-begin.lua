-- First part of the general scripts (take.lua, peek.lua, give.lua), which process any number of limits of any
-- algorithm.
--
-- KEYS[1]  Hash of the subject, with one field per limit and one field per full chunk of a log. A value contains its
--          expiry (ms), its layout, and the numbers of its algorithm. The key does not expire before any of its values.
-- ARGV     Packed limits (packed-limits.ts), units (the cost, or the units to return), maximum delay in ms (-1: no
--          maximum).
-- Reply    One string: a status byte (see general-limits.lua), then for each limit: flags (1: allowed, 2: can never be
--          allowed), remaining units, retry after ms, reset after ms, delay in ms.

local LAYOUT = 1
local HEAD_BYTES = 9
