-- FIXED_WINDOW: computes whether the cost fits and when the window ends. `other` remains 0.
local windowStartMs = nowMs - nowMs % windowMs
if atMs < windowStartMs then
  used = 0
end
fits = used + cost <= limit
emptyMs = windowStartMs + windowMs
