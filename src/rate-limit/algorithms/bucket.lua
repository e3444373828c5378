-- Computes the level of a bucket in exact arithmetic, for the token bucket and the leaky bucket. The file bucket.ts
-- explains the arithmetic. A stored value contains these numbers: time of the level, used units, fraction.

local function drain(value, limit, windowMs, burst, nowMs)
  if not value then
    return nowMs, 0, 0, false
  end
  local atMs, used, fraction = struct.unpack('<ddd', value, 10)
  if used >= burst then
    used = burst
    fraction = 0
  end
  local passedMs = nowMs - atMs
  if passedMs <= 0 then
    if -passedMs > windowMs then
      return nowMs, used, fraction, true
    end
    return atMs, used, fraction, false
  end
  if (passedMs / windowMs) * limit >= used + 2 then
    return nowMs, 0, 0, false
  end
  local quotient, remainder = multiplyDivide(passedMs, limit, windowMs)
  local restUnits = used - quotient
  local restFraction = fraction - remainder
  if restFraction < 0 then
    restUnits = restUnits - 1
    restFraction = restFraction + windowMs
  end
  if restUnits < 0 then
    return nowMs, 0, 0, false
  end
  return nowMs, restUnits, restFraction, false
end

-- Returns the level of a bucket after `units` were returned to it.
local function giveBack(used, fraction, units)
  if used < units then
    return 0, 0
  end
  return used - units, fraction
end

local function takenUnits(used, fraction)
  if fraction > 0 then
    return used + 1
  end
  return used
end

local function drainTimeMs(units, fraction, limit, windowMs)
  local quotient, remainder = multiplyDivide(units, windowMs, limit)
  return quotient + math.ceil((remainder + fraction) / limit)
end

local function emptyAfterMs(atMs, used, fraction, limit, windowMs, nowMs)
  if used == 0 and fraction == 0 then
    return 0
  end
  return atMs - nowMs + drainTimeMs(used, fraction, limit, windowMs)
end
