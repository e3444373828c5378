-- Lets a user live as long as a session of it whose absolute end was moved; makes none.
-- KEYS  user
-- ARGV  handle, absolute life of the session from now, margin
-- Gives back the generation, nils where there is no user.
local generation = read_generation()
if generation[1] then
  local absolute_end = now_ms() + tonumber(ARGV[2])
  local entry = redis.call('HGET', KEYS[1], 'h:' .. ARGV[1])
  if entry then
    put_entry(ARGV[1], parse_entry(entry), absolute_end)
  end
  extend(absolute_end + tonumber(ARGV[3]))
end
return generation
