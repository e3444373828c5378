-- Lists a session under its user.
-- KEYS  user
-- ARGV  handle, absolute timeout of the session, margin, incarnation should there be none, longest list, how many leave a full one
-- Returns the generation that the session must bear.
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
local generation = read_generation()
if generation[1] ~= LAYOUT then
  return generation
end
local list_max = tonumber(ARGV[5])

local function make_room()
  local all = redis.call('HGETALL', KEYS[1])
  local gone = {}
  local rest = {}
  for index = 1, #all, 2 do
    if string.sub(all[index], 1, 2) == 'h:' then
      local listed, absolute_end = parse_entry(all[index + 1])
      if absolute_end <= now then
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
