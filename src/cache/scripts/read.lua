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
local max_bytes = tonumber(ARGV[1])
-- One byte more than may be returned: it shows that an entry is larger.
local entry = redis.call('GETRANGE', KEYS[2], 0, max_bytes)
if not is_live(entry, marks[1], marks[3]) then
  entry = false
elseif #entry > max_bytes then
  entry = redis.call('STRLEN', KEYS[2])
end
local newest = redis.call('HGET', KEYS[1], number % 64) or ''
local time = redis.call('TIME')
return {
  time[1] * 1000 + math.floor(time[2] / 1000),
  number,
  marks[1] .. newest,
  entry,
}
