-- What the scripts of a user's hash share; put before each of them. KEYS[1] is the user in all of them.
-- Fields: i incarnation, n number (both make the generation), e when the user may be forgotten, k the session that is kept
-- with an older generation as "<handle> <generation>" or '', h:<handle> a listed session as "<listed at> <absolute end>".

-- i, n, e and k; the other fields are the list.
local FIXED_FIELDS = 4

local function whole(number)
  return string.format('%.0f', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A server that is full refuses a command that may need room, but not in a script that has written before. So this, which removes
-- nothing, stands before writes that take no room and must not fail then.
local function begin_in_place()
  redis.call('HDEL', KEYS[1], '')
end

local function read_generation()
  return redis.call('HMGET', KEYS[1], 'i', 'n', 'k')
end

-- When an entry of the list was made, and when its session ends at the latest.
local function parse_entry(entry)
  local listed, absolute_end = string.match(entry, '^(%d+) (%d+)$')
  return tonumber(listed), tonumber(absolute_end)
end

local function put_entry(handle, listed, absolute_end)
  redis.call('HSET', KEYS[1], 'h:' .. handle, whole(listed) .. ' ' .. whole(absolute_end))
end

-- Lets the user live until then, at least; never shorter than before.
local function extend(user_end)
  local old = tonumber(redis.call('HGET', KEYS[1], 'e') or '0')
  user_end = math.max(old, user_end)
  redis.call('HSET', KEYS[1], 'e', whole(user_end))
  redis.call('PEXPIREAT', KEYS[1], whole(user_end))
end
