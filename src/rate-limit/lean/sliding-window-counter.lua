-- SLIDING_WINDOW_COUNTER as of now: whether the cost fits, and by when nothing counts any more. `other` is what the previous window used.
local windowStartMs = nowMs - nowMs % windowMs
if atMs < windowStartMs then
  other = atMs >= windowStartMs - windowMs and used or 0
  used = 0
end
local share = other * (windowStartMs + windowMs - nowMs)
if share >= 9007199254740991 then
  return 'F'
end
fits = used + cost <= limit and share <= (limit - used - cost) * windowMs
emptyMs = windowStartMs + 2 * windowMs
