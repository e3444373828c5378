-- FIXED_WINDOW as of now: whether the cost fits, and by when nothing counts any more. `other` stays 0.
local windowStartMs = nowMs - nowMs % windowMs
if atMs < windowStartMs then
  used = 0
end
fits = used + cost <= limit
emptyMs = windowStartMs + windowMs
