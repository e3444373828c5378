-- Extends the lifetime of a user to that of a session whose absolute expiry has moved. Creates no user.
-- KEYS  User.
-- ARGV  Handle, absolute timeout of the session from now, margin.
-- Returns the generation, with nil values if there is no user.
local generation, damage = readGeneration()
if damage then
  return damage
end
if generation[1] == LAYOUT then
  local absoluteEnd = nowMs + tonumber(ARGV[2])
  local entry = redis.call('HGET', KEYS[1], 'h:' .. ARGV[1])
  if entry then
    putEntry(ARGV[1], parseEntry(entry) or nowMs, absoluteEnd)
  end
  extend(absoluteEnd + tonumber(ARGV[3]))
end
return generation
