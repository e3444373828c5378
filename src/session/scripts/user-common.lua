-- What the scripts of a user's hash share; put before each of them. KEYS[1] is the user in all of them.
-- Fields: y layout, i incarnation, n number (both make the generation), e when the user may be forgotten, k the session that is kept
-- with an older generation as "<handle> <generation>" or '', h:<handle> a listed session as "<listed at> <absolute expiry>".

local LAYOUT = '1'
-- y, i, n, e and k; the other fields are the list.
local FIXED_FIELDS = 5

local function whole(number)
  return string.format('%.0f', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Layout, incarnation, number and the kept session. Every script returns this, so that its caller sees a layout that it does not know;
-- of such a user a script changes nothing.
local function read_generation()
  return redis.call('HMGET', KEYS[1], 'y', 'i', 'n', 'k')
end

-- When an entry of the list was made, and when its session ends at the latest.
local function parse_entry(entry)
  local listed, absolute_end = string.match(entry, '^(%d+) (%d+)$')
  return tonumber(listed), tonumber(absolute_end)
end

local function entry_text(listed, absolute_end)
  return whole(listed) .. ' ' .. whole(absolute_end)
end

local function put_entry(handle, listed, absolute_end)
  redis.call('HSET', KEYS[1], 'h:' .. handle, entry_text(listed, absolute_end))
end

-- Lets the user live until then, at least; never shorter than before.
local function extend(user_end)
  local old = tonumber(redis.call('HGET', KEYS[1], 'e') or '0')
  user_end = math.max(old, user_end)
  redis.call('HSET', KEYS[1], 'e', whole(user_end))
  redis.call('PEXPIREAT', KEYS[1], whole(user_end))
end
