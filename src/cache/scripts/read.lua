-- Reads an entry, and the position of its bucket's sequence.
-- KEYS  sequence, entry
-- Returns nil where there is no sequence, hence no valid entry | {server's time in ms, number, incarnation and the ring's entry of that
-- number, entry or nil (a miss)}
local marks = redis.call('HMGET', KEYS[1], 'inc', 'n', 'f')
if not marks[1] then
  return false
end
local entry = redis.call('GET', KEYS[2])
if entry and not is_live(entry, marks[1], marks[3]) then
  entry = false
end
local number = tonumber(marks[2] or 0)
local newest = redis.call('HGET', KEYS[1], number % 64) or ''
local time = redis.call('TIME')
return {
  time[1] * 1000 + math.floor(time[2] / 1000),
  number,
  marks[1] .. newest,
  entry,
}
