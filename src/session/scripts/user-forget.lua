-- Takes sessions from the list that were put there at least so long ago.
-- KEYS  user
-- ARGV  age, handles
-- Returns the generation, nils where there is no user.
local generation, damage = readGeneration()
if damage then
  return damage
end
if generation[1] == LAYOUT then
  local latest = nowMs - tonumber(ARGV[1])
  for index = 2, #ARGV do
    local entry = redis.call('HGET', KEYS[1], 'h:' .. ARGV[index])
    if entry and (parseEntry(entry) or latest) <= latest then
      redis.call('HDEL', KEYS[1], 'h:' .. ARGV[index])
    end
  end
end
return generation
