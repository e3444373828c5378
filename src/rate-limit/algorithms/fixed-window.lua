-- FIXED_WINDOW; fixed-window.ts explains the steps. A value is packed: end, start, used.

local function stepFixedWindow(_, value, limit, windowMs, _, nowMs, cost)
  local startMs = nowMs - (nowMs % windowMs)
  local used = 0
  local repaired = false
  if value then
    local _, storedStartMs, storedUsed = struct.unpack('>ddd', value)
    if storedStartMs >= startMs then
      used = storedUsed
      repaired = storedStartMs - nowMs > windowMs
      if not repaired then
        startMs = storedStartMs
      end
    end
  end
  local allowed = used + cost <= limit
  if allowed then
    used = used + cost
  end
  local leftMs = startMs + windowMs - nowMs
  local resetAfterMs = used > 0 and leftMs or 0
  return {
    allowed = allowed,
    remaining = math.max(0, limit - used),
    retryAfterMs = allowed and 0 or leftMs,
    resetAfterMs = resetAfterMs,
    delayMs = 0,
    repaired = repaired,
    value = struct.pack('>ddd', nowMs + resetAfterMs, startMs, used),
  }
end
