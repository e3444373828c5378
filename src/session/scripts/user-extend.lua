-- Updates the list entry of a session whose absolute expiry has changed, and extends the expiry of the user's key so
-- that the key outlives the session. If the user does not exist, the script changes nothing.
-- KEYS  Key of the user's hash.
-- ARGV  Handle, absolute timeout of the session from now, time by which the user's key outlives the session.
-- Returns the values of `readGeneration`, which are nil if the user does not exist.
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
