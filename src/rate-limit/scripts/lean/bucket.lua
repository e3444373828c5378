-- TOKEN_BUCKET and LEAKY_BUCKET: computes whether the cost fits, and an upper bound for the time when the bucket is
-- empty again. `other` is the fraction of a unit. The file packed-limits.ts selects lean scripts only for limits whose
-- products are exact.
if used >= burst then
  used, other = burst, 0
end
local drained = (nowMs - atMs) * limit
if drained >= (used + 2) * windowMs then
  used, other = 0, 0
else
  local remainder = drained % windowMs
  used = used - (drained - remainder) / windowMs
  other = other - remainder
  if other < 0 then
    used = used - 1
    other = other + windowMs
  end
  if used < 0 then
    used, other = 0, 0
  end
end
fits = used + cost < burst or (used + cost == burst and other == 0)
emptyMs = nowMs + (used + cost + 1) * windowMs / limit
