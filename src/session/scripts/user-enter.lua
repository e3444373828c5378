-- Lists a session under its user.
-- KEYS  user
-- ARGV  handle, absolute timeout of the session, margin, incarnation should there be none, longest list, how many leave a full one
-- Returns the generation that the session must bear.
-- Before the first write: a user that may not read the time leaves no key without an expiry.
local now = now_ms()
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'y', LAYOUT, 'i', ARGV[4], 'n', '1', 'e', '0', 'k', '')
end
local generation, damage = read_generation()
if damage then
  return damage
end
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
local absolute_end = now + tonumber(ARGV[2])
put_entry(ARGV[1], now, absolute_end)
extend(absolute_end + tonumber(ARGV[3]))
return generation
