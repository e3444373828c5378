-- Reads an entry, and the position of its bucket's sequence.
-- KEYS  sequence, entry
-- ARGV  largest entry to return, bytes
-- Returns nil where there is no sequence, hence no valid entry | {server's time in ms, number, incarnation and the ring's entry of that
-- number, entry | nil (a miss) | its length, where it is larger}
local marks = redis.call('HMGET', KEYS[1], 'inc', 'n', 'f')
local number = tonumber(marks[2] or 0)
-- A damaged sequence is removed by the next change of the bucket (change-common.lua).
if not marks[1] or not number then
  return false
end
local maxBytes = tonumber(ARGV[1])
-- One byte more than may be returned: it shows that an entry is larger.
local entry = redis.call('GETRANGE', KEYS[2], 0, maxBytes)
if not isLive(entry, marks[1], marks[3]) then
  entry = false
elseif #entry > maxBytes then
  entry = redis.call('STRLEN', KEYS[2])
end
local newest = redis.call('HGET', KEYS[1], number % 64) or ''
return {
  nowMs,
  number,
  marks[1] .. newest,
  entry,
}
