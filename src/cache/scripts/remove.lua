-- Removes entries of one bucket and says so on its channel, in one step, even when there is nothing to remove.
-- KEYS  sequence, channel, entries
-- ARGV  incarnation for a new sequence, the keys as a message's names
-- Returns how many of them had a value
local marks = read_marks(KEYS[1])
local removed = 0
for index = 3, #KEYS do
  local header = redis.call('GETRANGE', KEYS[index], 0, HEADER_BYTES - 1)
  if is_live(header, marks) and not is_absent(header) then
    removed = removed + 1
  end
  redis.call('UNLINK', KEYS[index])
end
local incarnation, number = advance(KEYS[1], ARGV[1])
publish(KEYS[2], KIND_NAMES, incarnation, number, ARGV[1], ARGV[2])
return removed
