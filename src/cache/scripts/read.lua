-- Reads an entry.
-- KEYS  entry, sequence
-- ARGV  largest entry to hand out, bytes, or ''
-- Returns nil (a miss) | {entry, PTTL, server's time in ms} | the entry's length, where it is larger
if ARGV[1] ~= '' then
  local length = redis.call('STRLEN', KEYS[1])
  if length > tonumber(ARGV[1]) then
    local header = redis.call('GETRANGE', KEYS[1], 0, HEADER_BYTES - 1)
    return is_live(header, read_marks(KEYS[2])) and length
  end
end
local entry = redis.call('GET', KEYS[1])
if not entry or not is_live(entry, read_marks(KEYS[2])) then
  return false
end
return { entry, redis.call('PTTL', KEYS[1]), now_ms() }
