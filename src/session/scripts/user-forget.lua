-- Removes sessions from the list if they were listed at least the given time ago.
-- KEYS  User.
-- ARGV  Minimum age, handles.
-- Returns the generation, with nil values if there is no user.
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
