-- Decides all limits of a call for one subject, and takes from all of them or from none.
--
-- KEYS[1]  the subject's hash: a field per limit (its value begins with the packed ms at which it means nothing any more), the chunks of
--          logs, and `e`, the packed ms at which the key expires
-- ARGV     cost, max delay ms (-1: none), then per limit: algorithm number, field, limit, window ms, burst
-- Reply    {1, per limit: allowed, remaining, retry after ms, reset after ms, delay ms, never}, or {0}: too many live fields
--
-- A denial and a look (cost 0) write nothing, except for a state from a broken clock (step.ts, rule 4).

local FIELDS_LOOKED_THROUGH = 512
local FIELDS_MAX = 4096
local ARGS_PER_LIMIT = 5
local STEPS = {
  [1] = stepFixedWindow,
  [2] = stepSlidingWindowLog,
  [3] = stepSlidingWindowCounter,
  [4] = stepTokenBucket,
  [5] = stepLeakyBucket,
}

-- Whether a new field finds room, once what has ended is gone. A log's chunks (`<field>#<number>`) go with their log and never
-- before: its first chunk may have ended while the log still counts on reading it.
local function hasRoom()
  if redis.call('HLEN', KEYS[1]) <= FIELDS_LOOKED_THROUGH then
    return true
  end
  local all = redis.call('HGETALL', KEYS[1])
  local isLive = { e = true }
  for index = 1, #all, 2 do
    if all[index] ~= 'e' and struct.unpack('>d', all[index + 1]) > nowMs then
      isLive[all[index]] = true
    end
  end
  local ended = 0
  for index = 1, #all, 2 do
    local owner = string.match(all[index], '^(.*)#') or all[index]
    if not isLive[owner] then
      redis.call('HDEL', KEYS[1], all[index])
      ended = ended + 1
    end
  end
  return #all / 2 - ended <= FIELDS_MAX
end

-- When the last of the fields ends that are not about to be written.
local function lastEndOfOthers(writes)
  local isWritten = { e = true }
  for index = 1, #writes, 2 do
    isWritten[writes[index]] = true
  end
  local lastMs = 0
  local all = redis.call('HGETALL', KEYS[1])
  for index = 1, #all, 2 do
    if not isWritten[all[index]] then
      lastMs = math.max(lastMs, (struct.unpack('>d', all[index + 1])))
    end
  end
  return lastMs
end

local cost = tonumber(ARGV[1])
local maxDelayMs = tonumber(ARGV[2])
local limitCount = (#ARGV - 2) / ARGS_PER_LIMIT
local fields = { 'e' }
for index = 1, limitCount do
  fields[index + 1] = ARGV[(index - 1) * ARGS_PER_LIMIT + 4]
end
local stored = redis.call('HMGET', KEYS[1], unpack(fields))

local function step(index, wantedCost)
  local at = (index - 1) * ARGS_PER_LIMIT + 2
  local number, limit, windowMs, burst = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local capacity = (number == 4 or number == 5) and burst or limit
  local run = STEPS[number]
  if wantedCost > capacity then
    local outcome = run(ARGV[at + 2], stored[index + 1], limit, windowMs, burst, nowMs, 0, -1)
    outcome.allowed, outcome.never, outcome.retryAfterMs, outcome.delayMs = false, true, 0, 0
    return outcome
  end
  return run(ARGV[at + 2], stored[index + 1], limit, windowMs, burst, nowMs, wantedCost, maxDelayMs)
end

local outcomes = {}
local allowed = true
for index = 1, limitCount do
  outcomes[index] = step(index, cost)
  allowed = allowed and outcomes[index].allowed
end

local isTaking = allowed and cost > 0
if not allowed then
  -- All or none: what would have been allowed answers as it is, with nothing taken.
  for index = 1, limitCount do
    if outcomes[index].allowed then
      outcomes[index] = step(index, 0)
    end
  end
end
local writes, deletes = {}, {}
local lastEndMs = 0
local hasNew = false
local hasRepaired = false
for index = 1, limitCount do
  local outcome = outcomes[index]
  if not isTaking and outcome.repaired then
    outcome = step(index, 0)
  end
  if isTaking or outcome.repaired then
    local field = fields[index + 1]
    hasNew = hasNew or not stored[index + 1]
    hasRepaired = hasRepaired or outcome.repaired
    writes[#writes + 1] = field
    writes[#writes + 1] = outcome.value
    for _, part in ipairs(outcome.chunks or {}) do
      writes[#writes + 1] = part
    end
    for _, dropped in ipairs(outcome.dropped or {}) do
      deletes[#deletes + 1] = dropped
    end
    lastEndMs = math.max(lastEndMs, nowMs + outcome.resetAfterMs)
  end
end

if hasNew and not hasRoom() then
  return { 0 }
end
for _, field in ipairs(deletes) do
  redis.call('HDEL', KEYS[1], field)
end
if #writes > 0 then
  local expiresAtMs = stored[1] and struct.unpack('>d', stored[1]) or 0
  if hasRepaired then
    -- The key's end came from the broken clock too.
    expiresAtMs = 0
    lastEndMs = math.max(lastEndMs, lastEndOfOthers(writes))
  end
  if expiresAtMs < lastEndMs or not stored[1] then
    -- Some room to come, so that most decisions leave the expiry alone.
    expiresAtMs = lastEndMs + math.min(3600000, math.max(1000, math.floor((lastEndMs - nowMs) / 4)))
    writes[#writes + 1] = 'e'
    writes[#writes + 1] = struct.pack('>d', expiresAtMs)
    redis.call('HSET', KEYS[1], unpack(writes))
    redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', expiresAtMs))
  else
    redis.call('HSET', KEYS[1], unpack(writes))
  end
end

local reply = { 1 }
for index = 1, limitCount do
  local outcome = outcomes[index]
  reply[#reply + 1] = outcome.allowed and 1 or 0
  reply[#reply + 1] = outcome.remaining
  reply[#reply + 1] = outcome.retryAfterMs
  reply[#reply + 1] = outcome.resetAfterMs
  reply[#reply + 1] = outcome.delayMs
  reply[#reply + 1] = outcome.never and 1 or 0
end
return reply
