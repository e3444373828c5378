-- Removes keys that are of another type than they should be. The only script that catches an error: it is how a type shows without a
-- permission for TYPE.
-- KEYS  keys of one slot
-- ARGV  per key the type that it should be of: hash, string, or '' for any
-- Returns how many it removed
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
