-- Implements SLIDING_WINDOW_COUNTER, which the file sliding-window-counter.ts explains. A stored value contains these
-- numbers: time of the last write, units of the current window, units of the previous window.

local function rollForward(value, windowMs, nowMs)
  local startMs = nowMs - nowMs % windowMs
  if not value then
    return startMs, nowMs, 0, 0, false
  end
  local atMs, current, previous = struct.unpack('<ddd', value, 10)
  local storedStartMs = atMs - atMs % windowMs
  if storedStartMs >= startMs then
    if storedStartMs - nowMs > windowMs then
      return startMs, nowMs, previous, current, true
    end
    return storedStartMs, math.max(nowMs, atMs), previous, current, false
  end
  if storedStartMs == startMs - windowMs then
    return startMs, nowMs, current, 0, false
  end
  return startMs, nowMs, 0, 0, false
end

-- Returns the first millisecond at which the share of the previous window is at most `available`.
local function shareFallsAt(startMs, previous, available, windowMs)
  return startMs + windowMs - multiplyDivideUp(available + 1, windowMs, previous)
end

local function stepSlidingWindowCounter(_, value, limit, windowMs, _, nowMs, cost)
  local startMs, atMs, previous, current, repaired = rollForward(value, windowMs, nowMs)
  if cost < 0 then
    local ofCurrent = math.min(current, -cost)
    current = current - ofCurrent
    previous = math.max(0, previous - (-cost - ofCurrent))
    cost = 0
  end
  local elapsedMs = math.max(0, nowMs - startMs)
  local share = multiplyDivide(previous, windowMs - elapsedMs - 1, windowMs)
  local available = limit - current - cost
  local allowed = share <= available
  local retryAfterMs = 0
  if not allowed and available >= 0 then
    retryAfterMs = shareFallsAt(startMs, previous, available, windowMs) - nowMs
  elseif not allowed then
    retryAfterMs = shareFallsAt(startMs + windowMs, current, limit - cost, windowMs) - nowMs
  end
  local used = allowed and current + cost or current
  local resetAfterMs = 0
  if used > 0 then
    resetAfterMs = shareFallsAt(startMs + windowMs, used, 0, windowMs) - nowMs
  elseif previous > 0 then
    resetAfterMs = math.max(0, shareFallsAt(startMs, previous, 0, windowMs) - nowMs)
  end
  return {
    allowed = allowed,
    remaining = math.max(0, limit - used - share),
    retryAfterMs = retryAfterMs,
    resetAfterMs = resetAfterMs,
    delayMs = 0,
    repaired = repaired,
    numbers = struct.pack('<ddd', atMs, used, previous),
  }
end
