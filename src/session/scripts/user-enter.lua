-- Adds a session to the list of its user.
-- KEYS  Key of the user's hash.
-- ARGV  1 handle, 2 absolute timeout of the session, 3 time by which the user's key outlives the session.
--       4 incarnation of a new user, 5 maximum list length, 6 number of entries to remove from a full list.
--       7 user limit (0: none), 8 time within which a login must create its session.
--       9 and later: ended sessions, each as its handle and the time at which a login listed it.
-- Returns the generation that the session must have. If the user limit is reached, the script does not list the
-- session, and adds a fifth element to the reply: the entries of the user's other sessions. Each entry consists of the
-- handle, the time of listing, and a flag. The flag is 0 while the login may still create the session (argument 8),
-- otherwise 1.
local absoluteEnd = nowMs + tonumber(ARGV[2])
local userEnd = absoluteEnd + tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 0 then
  -- A single HSET writes all fields. With two writes, Redis could reject the second one. The script would then stop,
  -- and the key would remain without an expiry.
  redis.call('HSET', KEYS[1], 'y', LAYOUT, 'i', ARGV[4], 'n', '1', 'e', whole(userEnd), 'k', '',
    'h:' .. ARGV[1], entryText(nowMs, absoluteEnd))
  return expireNewKey(KEYS[1], userEnd) or { LAYOUT, ARGV[4], '1', '' }
end
local generation, damage = readGeneration()
if damage then
  return damage
end
if generation[1] ~= LAYOUT then
  return generation
end
local maxListed = tonumber(ARGV[5])

local function forgetEnded()
  for index = 9, #ARGV, 2 do
    local entry = redis.call('HGET', KEYS[1], 'h:' .. ARGV[index])
    -- If the entry has another time, a later login has listed the same handle again, so the script keeps the entry.
    if entry and (parseEntry(entry) or 0) == tonumber(ARGV[index + 1]) then
      redis.call('HDEL', KEYS[1], 'h:' .. ARGV[index])
    end
  end
end

local function listOthers(settles)
  local others = {}
  local all = redis.call('HGETALL', KEYS[1])
  for index = 1, #all, 2 do
    local handle = string.match(all[index], '^h:(.*)$')
    if handle and handle ~= ARGV[1] then
      local listed = parseEntry(all[index + 1])
      others[#others + 1] = handle
      -- A damaged entry gets the time 0, so the sidecar treats its session as the oldest one.
      others[#others + 1] = whole(listed or 0)
      -- A login may use all of this time even if the session has a shorter timeout, because the timeouts start when the
      -- login creates the session. `math.abs` is for a listing time far in the future, which an earlier master with
      -- another clock has set.
      others[#others + 1] = (not listed or math.abs(nowMs - listed) >= settles) and 1 or 0
    end
  end
  return others
end

local limit = tonumber(ARGV[7])
if limit > 0 then
  forgetEnded()
  local others = redis.call('HLEN', KEYS[1]) - FIXED_FIELDS - redis.call('HEXISTS', KEYS[1], 'h:' .. ARGV[1])
  if others >= limit then
    generation[5] = listOthers(tonumber(ARGV[8]))
    return generation
  end
end

local function makeRoom()
  local all = redis.call('HGETALL', KEYS[1])
  local gone = {}
  local rest = {}
  for index = 1, #all, 2 do
    if string.sub(all[index], 1, 2) == 'h:' then
      local listed, absoluteEnd = parseEntry(all[index + 1])
      if not absoluteEnd or absoluteEnd <= nowMs then
        gone[#gone + 1] = all[index]
      else
        rest[#rest + 1] = { all[index], listed }
      end
    end
  end
  if #rest >= maxListed then
    table.sort(rest, function(left, right) return left[2] < right[2] end)
    for index = 1, math.min(tonumber(ARGV[6]), #rest) do
      gone[#gone + 1] = rest[index][1]
    end
  end
  for index = 1, #gone do
    redis.call('HDEL', KEYS[1], gone[index])
  end
end

if redis.call('HLEN', KEYS[1]) - FIXED_FIELDS >= maxListed and redis.call('HEXISTS', KEYS[1], 'h:' .. ARGV[1]) == 0 then
  makeRoom()
end
putEntry(ARGV[1], nowMs, absoluteEnd)
extend(userEnd)
return generation
