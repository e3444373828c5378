-- Writes an entry and publishes its key and version on the bucket's channel, in one atomic step.
-- KEYS contains the key of the entry, the key of the sequence and the name of the channel.
-- ARGV contains these arguments:
--   1. The first bytes of the header (format, flags, length).
--   2. The bytes between the version and the value (rest of the header, tag block).
--   3. The value.
--   4. The TTL in ms.
--   5. The hash of the cache key.
--   6. A random stamp.
--   7. The cache key, encoded as a name of a message.
--   8. The condition, which is 'if_absent', 'if_version' or an empty string.
--   9. The expected version.
--   10. The version of the entry whose tags the sidecar has compared.
--   11. Whether these tags are current, as '1' or '0'.
-- Returns 1 and the version if the entry was stored, or 0 if the condition does not hold. If the condition depends on
-- the tags of the present entry, returns 2 with the header and the tag block of that entry. The tags are in other
-- slots, so the sidecar must compare their versions and run the script again.
if ARGV[8] ~= '' then
  local function judge()
    local isForVersion = ARGV[8] == 'if_version'
    local marks = redis.call('HMGET', KEYS[2], 'inc', 'f')
    local entry = redis.call('GETRANGE', KEYS[1], 0, 255)
    if not isLive(entry, marks[1], marks[2]) then
      return isForVersion and 0 or 1
    end
    local version = string.sub(entry, 4, 27)
    if isForVersion and version ~= ARGV[9] then
      return 0
    end
    if not isForVersion and string.byte(entry, 2) % 2 == 1 then
      return 1
    end
    local isCurrent = true
    local tagBytes = struct.unpack('>I2', entry, 40)
    if tagBytes > 0 then
      if version ~= ARGV[10] then
        return 2, redis.call('GETRANGE', KEYS[1], 0, string.byte(entry, 3) + tagBytes - 1)
      end
      isCurrent = ARGV[11] == '1'
    end
    return isCurrent == isForVersion and 1 or 0
  end
  local verdict, header = judge()
  if verdict ~= 1 then
    return { verdict, header }
  end
end

local incarnation, packed = advance(KEYS[2], ARGV[5], ARGV[6])
local version = incarnation .. packed .. struct.pack('>I8', nowMs)
redis.call('SET', KEYS[1], ARGV[1] .. version .. ARGV[2] .. ARGV[3], 'PX', ARGV[4])
redis.call('SPUBLISH', KEYS[3], '\1\1\51' .. incarnation .. packed .. ARGV[6] .. version .. ARGV[7])
return { 1, version }
