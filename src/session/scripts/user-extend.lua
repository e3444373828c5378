-- Lets a user live as long as a session of it whose absolute expiry was moved; makes none.
-- KEYS  user
-- ARGV  handle, absolute timeout of the session from now, margin
-- Returns the generation, nils where there is no user.
local generation, damage = read_generation()
if damage then
  return damage
end
if generation[1] == LAYOUT then
  local now = now_ms()
  local absolute_end = now + tonumber(ARGV[2])
  local entry = redis.call('HGET', KEYS[1], 'h:' .. ARGV[1])
  if entry then
    put_entry(ARGV[1], parse_entry(entry) or now, absolute_end)
  end
  extend(absolute_end + tonumber(ARGV[3]))
end
return generation
