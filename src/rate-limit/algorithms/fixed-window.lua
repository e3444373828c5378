-- Implements FIXED_WINDOW, which the file fixed-window.ts explains. A stored value contains these numbers: time of the
-- last write, used units, 0.

local function stepFixedWindow(_, value, limit, windowMs, _, nowMs, cost)
  local startMs = nowMs - nowMs % windowMs
  local atMs = nowMs
  local used = 0
  local repaired = false
  if value then
    local storedAtMs, storedUsed = struct.unpack('<dd', value, 10)
    local storedStartMs = storedAtMs - storedAtMs % windowMs
    if storedStartMs >= startMs then
      used = storedUsed
      repaired = storedStartMs - nowMs > windowMs
      if not repaired then
        startMs = storedStartMs
        atMs = math.max(nowMs, storedAtMs)
      end
    end
  end
  if cost < 0 then
    used = math.max(0, used + cost)
    cost = 0
  end
  local allowed = used + cost <= limit
  if allowed then
    used = used + cost
  end
  local leftMs = startMs + windowMs - nowMs
  return {
    allowed = allowed,
    remaining = math.max(0, limit - used),
    retryAfterMs = allowed and 0 or leftMs,
    resetAfterMs = used > 0 and leftMs or 0,
    delayMs = 0,
    repaired = repaired,
    numbers = struct.pack('<ddd', atMs, used, 0),
  }
end
