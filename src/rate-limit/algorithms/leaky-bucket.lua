-- Implements LEAKY_BUCKET, which the file leaky-bucket.ts explains. The file bucket.lua defines the numbers of a stored
-- value. A negative maxDelayMs means no maximum.

local function stepLeakyBucket(_, value, limit, windowMs, burst, nowMs, cost, maxDelayMs)
  local atMs, used, fraction, repaired = drain(value, limit, windowMs, burst, nowMs)
  if cost < 0 then
    used, fraction = giveBack(used, fraction, -cost)
    cost = 0
  end
  local taken = takenUnits(used, fraction)
  local delayMs = drainTimeMs(used, fraction, limit, windowMs)
  local retryAfterMs = 0
  if taken + cost > burst then
    retryAfterMs = atMs - nowMs + drainTimeMs(used + cost - burst, fraction, limit, windowMs)
  end
  if maxDelayMs >= 0 and delayMs > maxDelayMs then
    retryAfterMs = math.max(retryAfterMs, atMs - nowMs + delayMs - maxDelayMs)
  end
  local allowed = retryAfterMs == 0
  local granted = allowed and cost or 0
  local resetAfterMs = emptyAfterMs(atMs, used + granted, fraction, limit, windowMs, nowMs)
  return {
    allowed = allowed,
    remaining = burst - taken - granted,
    retryAfterMs = retryAfterMs,
    resetAfterMs = resetAfterMs,
    delayMs = allowed and delayMs or 0,
    repaired = repaired,
    numbers = struct.pack('<ddd', atMs, used + granted, fraction),
  }
end
