-- Writes an entry and publishes its key and version on the bucket's channel, in one step.
-- KEYS  entry, sequence, channel
-- ARGV  1 first bytes of the header: format, flags, length  2 bytes between version and value: rest of the header, tag block  3 value
--       4 TTL, ms  5 hash of the key  6 stamp, random  7 the key as a message's name
--       8 condition: '' | 'if_absent' | 'if_version'  9 the expected version
--       10 version of an entry whose tags were judged before this call  11 whether they are current, '1' or '0'
-- Returns {1, version} stored | {0} the condition does not hold | {2, entry's header and tag block}: judge its tags, which
-- lie in other slots, and call again
if ARGV[8] ~= '' then
  local function judge()
    local is_for_version = ARGV[8] == 'if_version'
    local marks = redis.call('HMGET', KEYS[2], 'inc', 'f')
    local entry = redis.call('GETRANGE', KEYS[1], 0, 255)
    if not is_live(entry, marks[1], marks[2]) then
      return is_for_version and 0 or 1
    end
    local version = string.sub(entry, 4, 27)
    if is_for_version and version ~= ARGV[9] then
      return 0
    end
    if not is_for_version and string.byte(entry, 2) % 2 == 1 then
      return 1
    end
    local is_current = true
    local tag_bytes = struct.unpack('>I2', entry, 40)
    if tag_bytes > 0 then
      if version ~= ARGV[10] then
        return 2, redis.call('GETRANGE', KEYS[1], 0, string.byte(entry, 3) + tag_bytes - 1)
      end
      is_current = ARGV[11] == '1'
    end
    return is_current == is_for_version and 1 or 0
  end
  local verdict, header = judge()
  if verdict ~= 1 then
    return { verdict, header }
  end
end

local time = redis.call('TIME')
local incarnation, packed = advance(KEYS[2], ARGV[5], ARGV[6])
local version = incarnation .. packed .. struct.pack('>I8', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('SET', KEYS[1], ARGV[1] .. version .. ARGV[2] .. ARGV[3], 'PX', ARGV[4])
redis.call('SPUBLISH', KEYS[3], '\1\1\51' .. incarnation .. packed .. ARGV[6] .. version .. ARGV[7])
return { 1, version }
