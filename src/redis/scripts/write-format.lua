-- Stores a format in a version key and renews the TTL, unless the stored format differs from the one the caller read.
-- KEYS contains the version key.
-- ARGV contains the format that the caller read (empty if there was none), the format to store, and the TTL in ms.
-- Returns the format that is stored after the call.
local stored = redis.call('GET', KEYS[1])
if (stored or '') ~= ARGV[1] then
  return stored or ''
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ARGV[2]
