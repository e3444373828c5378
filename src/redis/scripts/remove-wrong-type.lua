-- Removes keys that have an unexpected type. It detects the type by an error, because the TYPE command would need
-- another permission.
-- KEYS  keys of one slot
-- ARGV  expected type of each key: hash, string, or '' for any
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
