-- Parses the limits, reads their values, and defines the functions that decide the limits. This code calls the
-- functions of the algorithms, so the files of the algorithms precede this file in the assembled script.

local DONE, TOO_MANY_FIELDS, NEWER_LAYOUT = '\1', '\2', '\3'
local STEPS = {
  [1] = stepFixedWindow,
  [2] = stepSlidingWindowLog,
  [3] = stepSlidingWindowCounter,
  [4] = stepTokenBucket,
  [5] = stepLeakyBucket,
}

local function sevenBitNumber(text, at)
  local number = 0
  for index = at, at + 5 do
    number = number * 128 + string.byte(text, index)
  end
  return number
end

local units = tonumber(ARGV[2])
local maxDelayMs = tonumber(ARGV[3])
local limits, fields = {}, {}
local packedAt = 1
while packedAt <= #ARGV[1] do
  local length = string.byte(ARGV[1], packedAt + 19)
  fields[#fields + 1] = string.sub(ARGV[1], packedAt + 20, packedAt + 19 + length)
  limits[#limits + 1] = {
    number = string.byte(ARGV[1], packedAt),
    limit = sevenBitNumber(ARGV[1], packedAt + 1),
    windowMs = sevenBitNumber(ARGV[1], packedAt + 7),
    burst = sevenBitNumber(ARGV[1], packedAt + 13),
  }
  packedAt = packedAt + 20 + length
end
local stored = redis.call('HMGET', KEYS[1], unpack(fields))
-- Fields with a damaged value. The limits of these fields start empty.
local damaged = {}
for index = 1, #fields do
  if stored[index] and isDamaged(limits[index].number, stored[index]) then
    stored[index] = false
    damaged[#damaged + 1] = fields[index]
  elseif stored[index] and string.byte(stored[index], HEAD_BYTES) ~= LAYOUT then
    return NEWER_LAYOUT
  end
end

-- Decides one limit. If `stepUnits` is negative, the algorithm returns `-stepUnits` units to the limit instead.
local function step(index, stepUnits)
  local limit = limits[index]
  local capacity = (limit.number == 4 or limit.number == 5) and limit.burst or limit.limit
  local run = STEPS[limit.number]
  if stepUnits > capacity then
    local outcome = run(fields[index], stored[index], limit.limit, limit.windowMs, limit.burst, nowMs, 0, -1)
    outcome.allowed, outcome.never, outcome.retryAfterMs, outcome.delayMs = false, true, 0, 0
    return outcome
  end
  return run(fields[index], stored[index], limit.limit, limit.windowMs, limit.burst, nowMs, stepUnits, maxDelayMs)
end

local function replyOf(outcomes)
  local reply = { DONE }
  for index, outcome in ipairs(outcomes) do
    local flags = (outcome.allowed and 1 or 0) + (outcome.never and 2 or 0)
    reply[index + 1] = struct.pack('<Bdddd', flags, outcome.remaining, outcome.retryAfterMs, outcome.resetAfterMs, outcome.delayMs)
  end
  return table.concat(reply)
end

-- Decides for each limit whether it allows `allUnits` units. Returns the outcomes, and whether all limits allow the
-- units. In a peek, or if any limit denies the units, the outcomes of the other limits describe the state without these
-- units.
local function decideAll(allUnits, isPeek)
  local outcomes = {}
  local allowed = true
  for index = 1, #limits do
    outcomes[index] = step(index, allUnits)
    allowed = allowed and outcomes[index].allowed
  end
  if isPeek or not allowed then
    for index = 1, #limits do
      if outcomes[index].allowed then
        outcomes[index] = step(index, 0)
      end
    end
  end
  return outcomes, allowed
end
