-- Removes keys that have an unexpected type. The script detects a wrong type from an error reply, because the TYPE
-- command would need another permission.
-- KEYS contains keys of one slot.
-- ARGV contains the expected type of each key, which is 'hash', 'string', or an empty string for any type.
-- Returns the number of removed keys.
local removed = 0
for index = 1, #KEYS do
  local reply = 0
  if ARGV[index] == 'hash' then
    reply = redis.pcall('HGET', KEYS[index], 'y')
  elseif ARGV[index] == 'string' then
    reply = redis.pcall('STRLEN', KEYS[index])
  end
  if type(reply) == 'table' and string.sub(reply.err or '', 1, 9) == 'WRONGTYPE' then
    removed = removed + redis.call('UNLINK', KEYS[index])
  end
end
return removed
