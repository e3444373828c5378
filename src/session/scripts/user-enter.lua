-- Lists a session under its user.
-- KEYS  user
-- ARGV  handle, absolute timeout of the session, margin, incarnation should there be none, longest list, how many leave a full one
--       Within a limit of sessions also: the limit (0: none), the time that a login has to make its session, and what is known to have ended of the
--       list, as handles and the times at which they were listed
-- Returns the generation that the session must bear; and where the list holds as many others as the limit allows, so that nothing was entered,
-- as a fifth element those others: handle, when it was listed, 1 where the time of its login is over.
local now = now_ms()
local absolute_end = now + tonumber(ARGV[2])
local user_end = absolute_end + tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 0 then
  -- All at once, so that no command that Redis may refuse comes between the first write and the expiry.
  redis.call('HSET', KEYS[1], 'y', LAYOUT, 'i', ARGV[4], 'n', '1', 'e', whole(user_end), 'k', '',
    'h:' .. ARGV[1], entry_text(now, absolute_end))
  -- A new key must not stay without an expiry.
  local reply = redis.pcall('PEXPIREAT', KEYS[1], whole(user_end))
  if reply ~= 1 then
    redis.call('UNLINK', KEYS[1])
    return reply
  end
  return { LAYOUT, ARGV[4], '1', '' }
end
local generation, damage = read_generation()
if damage then
  return damage
end
if generation[1] ~= LAYOUT then
  return generation
end
local list_max = tonumber(ARGV[5])

local function forget_ended()
  for index = 9, #ARGV, 2 do
    local entry = redis.call('HGET', KEYS[1], 'h:' .. ARGV[index])
    -- Listed again meanwhile: another session of that handle.
    if entry and (parse_entry(entry) or 0) == tonumber(ARGV[index + 1]) then
      redis.call('HDEL', KEYS[1], 'h:' .. ARGV[index])
    end
  end
end

local function list_others(settles)
  local others = {}
  local all = redis.call('HGETALL', KEYS[1])
  for index = 1, #all, 2 do
    local handle = string.match(all[index], '^h:(.*)$')
    if handle and handle ~= ARGV[1] then
      local listed = parse_entry(all[index + 1])
      others[#others + 1] = handle
      -- A damaged entry counts as the oldest, if its session is live.
      others[#others + 1] = whole(listed or 0)
      -- However short the session: its absolute expiry counts from when it is made, not from when it is listed.
      -- A time far ahead is that of another clock, before a failover.
      others[#others + 1] = (not listed or math.abs(now - listed) >= settles) and 1 or 0
    end
  end
  return others
end

local limit = tonumber(ARGV[7])
if limit > 0 then
  forget_ended()
  local others = redis.call('HLEN', KEYS[1]) - FIXED_FIELDS - redis.call('HEXISTS', KEYS[1], 'h:' .. ARGV[1])
  if others >= limit then
    generation[5] = list_others(tonumber(ARGV[8]))
    return generation
  end
end

local function make_room()
  local all = redis.call('HGETALL', KEYS[1])
  local gone = {}
  local rest = {}
  for index = 1, #all, 2 do
    if string.sub(all[index], 1, 2) == 'h:' then
      local listed, absolute_end = parse_entry(all[index + 1])
      if not absolute_end or absolute_end <= now then
        gone[#gone + 1] = all[index]
      else
        rest[#rest + 1] = { all[index], listed }
      end
    end
  end
  if #rest >= list_max then
    table.sort(rest, function(left, right) return left[2] < right[2] end)
    for index = 1, math.min(tonumber(ARGV[6]), #rest) do
      gone[#gone + 1] = rest[index][1]
    end
  end
  for index = 1, #gone do
    redis.call('HDEL', KEYS[1], gone[index])
  end
end

if redis.call('HLEN', KEYS[1]) - FIXED_FIELDS >= list_max and redis.call('HEXISTS', KEYS[1], 'h:' .. ARGV[1]) == 0 then
  make_room()
end
put_entry(ARGV[1], now, absolute_end)
extend(user_end)
return generation
