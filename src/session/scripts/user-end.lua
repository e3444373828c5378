-- Ends all sessions of a user by a new generation, and empties the list, but for the one that is to be kept.
-- KEYS  user
-- ARGV  handle to be kept or '', its generation, the next incarnation
-- Returns nil where there is no user; 0 and the generation where it did nothing, because the one to be kept is not valid or the layout is
-- unknown; else 1, the generation before and the handles.
local before, damage = readGeneration()
if damage then
  return damage
end
if not before[1] and not before[2] then
  return nil
end
if before[1] ~= LAYOUT then
  return { 0, before }
end
local kept = ''
if ARGV[1] ~= '' then
  kept = ARGV[1] .. ' ' .. ARGV[2]
  if before[2] .. ':' .. before[3] ~= ARGV[2] and before[4] ~= kept then
    return { 0, before }
  end
end
local handles = {}
local names = redis.call('HKEYS', KEYS[1])
for index = 1, #names do
  local handle = string.match(names[index], '^h:(.*)$')
  if handle and handle ~= ARGV[1] then
    handles[#handles + 1] = handle
    redis.call('HDEL', KEYS[1], names[index])
  end
end
-- The number alone would come again after a failover that lost it, and make valid what had been logged in under it.
redis.call('HINCRBY', KEYS[1], 'n', 1)
redis.call('HSET', KEYS[1], 'i', ARGV[3], 'k', kept)
return { 1, before, handles }
