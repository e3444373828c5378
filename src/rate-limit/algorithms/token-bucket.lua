-- Implements TOKEN_BUCKET, which the file token-bucket.ts explains. The file bucket.lua defines the numbers of a stored
-- value.

local function stepTokenBucket(_, value, limit, windowMs, burst, nowMs, cost)
  local atMs, used, fraction, repaired = drain(value, limit, windowMs, burst, nowMs)
  if cost < 0 then
    used, fraction = giveBack(used, fraction, -cost)
    cost = 0
  end
  local taken = takenUnits(used, fraction)
  local allowed = taken + cost <= burst
  local granted = allowed and cost or 0
  local retryAfterMs = 0
  if not allowed then
    retryAfterMs = atMs - nowMs + drainTimeMs(used + cost - burst, fraction, limit, windowMs)
  end
  local resetAfterMs = emptyAfterMs(atMs, used + granted, fraction, limit, windowMs, nowMs)
  return {
    allowed = allowed,
    remaining = burst - taken - granted,
    retryAfterMs = retryAfterMs,
    resetAfterMs = resetAfterMs,
    delayMs = 0,
    repaired = repaired,
    numbers = struct.pack('<ddd', atMs, used + granted, fraction),
  }
end
