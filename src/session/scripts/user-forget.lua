-- Removes those of the given sessions from the user's list that were listed at least the minimum age ago.
-- KEYS  Key of the user's hash.
-- ARGV  Minimum age, handles of the sessions.
-- Returns the values of `readGeneration`, which are nil if the user does not exist.
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
