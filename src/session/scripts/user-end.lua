-- Starts a new generation of a user, which ends all sessions of the user except the session to keep. Removes the ended
-- sessions from the list.
-- KEYS  Key of the user's hash.
-- ARGV  Handle of the session to keep or '', generation of this session, next incarnation.
-- Returns nil if the user does not exist. Changes nothing, and returns 0 and the generation, if the session to keep is
-- not valid or the layout is unknown. Otherwise returns 1, the previous generation and the removed handles.
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
-- The script also replaces the incarnation. Otherwise, if a failover lost this write, the next increment would produce
-- the same generation again and could revive sessions.
redis.call('HINCRBY', KEYS[1], 'n', 1)
redis.call('HSET', KEYS[1], 'i', ARGV[3], 'k', kept)
return { 1, before, handles }
