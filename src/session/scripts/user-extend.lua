-- Lets a user live as long as a session of it whose absolute expiry was moved; makes none.
-- KEYS  user
-- ARGV  handle, absolute timeout of the session from now, margin
-- Returns the generation, nils where there is no user.
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
