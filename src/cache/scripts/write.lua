-- Writes an entry and says so on the bucket's channel, in one step.
-- KEYS  entry, sequence, channel
-- ARGV  1 value  2 ttl, ms  3 flags  4 tag block  5 incarnation for a new sequence  6 the key as a message's name
--       7 condition: '' | 'if_absent' | 'if_version'  8 the version that it wants
--       9 version of an entry whose tags were judged before this call  10 whether they are current, '1' or '0'
-- Returns {1, version} stored | {0} the condition does not hold | {2, entry's header and tag block}: judge its tags, which
-- lie in other slots, and call again
local function judge()
  local is_for_version = ARGV[7] == 'if_version'
  local entry = redis.call('GETRANGE', KEYS[1], 0, HEADER_BYTES - 1)
  if not is_live(entry, read_marks(KEYS[2])) then
    return is_for_version and 0 or 1
  end
  local version = string.sub(entry, 3, 26)
  if is_for_version and version ~= ARGV[8] then
    return 0
  end
  if not is_for_version and is_absent(entry) then
    return 1
  end
  local is_current = true
  local tag_bytes = struct.unpack('>I2', entry, 31)
  if tag_bytes > 0 then
    if version ~= ARGV[9] then
      return 2, redis.call('GETRANGE', KEYS[1], 0, HEADER_BYTES + tag_bytes - 1)
    end
    is_current = ARGV[10] == '1'
  end
  return is_current == is_for_version and 1 or 0
end

if ARGV[7] ~= '' then
  local verdict, header = judge()
  if verdict ~= 1 then
    return { verdict, header }
  end
end

local incarnation, number = advance(KEYS[2], ARGV[5])
local version = incarnation .. struct.pack('>I8I8', number, now_ms())
local header = string.char(1, tonumber(ARGV[3])) .. version .. struct.pack('>I4I2', tonumber(ARGV[2]), #ARGV[4])
redis.call('SET', KEYS[1], header .. ARGV[4] .. ARGV[1], 'PX', ARGV[2])
publish(KEYS[3], KIND_NAMES, incarnation, number, ARGV[5], ARGV[6])
return { 1, version }
