-- Reads entries of one bucket and the position of its sequence.
-- KEYS contains the key of the sequence and the keys of the entries.
-- ARGV contains the size of the largest entry to return, in bytes, either once for all entries or once for each.
-- Returns nil if there is no sequence and therefore no valid entry. Otherwise returns the server time in ms, the number
-- of the last change, the incarnation followed by the ring entry of that change, and one item for each entry. The item
-- is the bytes of the entry, the length of an entry that is too large, or nil for a miss.
local marks = redis.call('HMGET', KEYS[1], 'inc', 'n', 'f')
local number = tonumber(marks[2] or 0)
-- The next change of the bucket removes a damaged sequence (change-common.lua).
if not marks[1] or not number then
  return false
end
local newest = redis.call('HGET', KEYS[1], number % 64) or ''
local reply = {
  nowMs,
  number,
  marks[1] .. newest,
}
local maxBytes = tonumber(ARGV[1])
for index = 2, #KEYS do
  maxBytes = tonumber(ARGV[index - 1]) or maxBytes
  -- Reads one byte more than the script may return, to detect a larger entry.
  local entry = redis.call('GETRANGE', KEYS[index], 0, maxBytes)
  if not isLive(entry, marks[1], marks[3]) then
    entry = false
  elseif #entry > maxBytes then
    entry = redis.call('STRLEN', KEYS[index])
  end
  reply[index + 2] = entry
end
return reply
