-- SLIDING_WINDOW_COUNTER: computes whether the cost fits and when the limit is completely unused. `other` is the number
-- of units in the previous window.
local windowStartMs = nowMs - nowMs % windowMs
if atMs < windowStartMs then
  other = atMs >= windowStartMs - windowMs and used or 0
  used = 0
end
-- The share of the previous window is floor(weighted / windowMs) units. The share fits into the remaining units if and
-- only if weighted is less than (remaining units + 1) * windowMs.
local weighted = other * (windowStartMs + windowMs - nowMs - 1)
if weighted >= 9007199254740991 then
  return 'F'
end
fits = weighted < (limit - used - cost + 1) * windowMs
emptyMs = windowStartMs + 2 * windowMs
