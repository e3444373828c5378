-- SLIDING_WINDOW_COUNTER as of now: whether the cost fits, and by when nothing counts any more. `other` is what the
-- previous window used.
local windowStartMs = nowMs - nowMs % windowMs
if atMs < windowStartMs then
  other = atMs >= windowStartMs - windowMs and used or 0
  used = 0
end
-- The share, floor(weighted / W), fits exactly when weighted is below one unit more than what is left.
local weighted = other * (windowStartMs + windowMs - nowMs - 1)
if weighted >= 9007199254740991 then
  return 'F'
end
fits = weighted < (limit - used - cost + 1) * windowMs
emptyMs = windowStartMs + 2 * windowMs
