-- Writes a version key if it still holds what its writer has read. Also renews its TTL.
-- KEYS  version key
-- ARGV  format that was read, or '' where there was none; format to be stored; TTL in ms
-- Returns the format that is stored then.
local stored = redis.call('GET', KEYS[1])
if (stored or '') ~= ARGV[1] then
  return stored or ''
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ARGV[2]
