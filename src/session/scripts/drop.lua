-- Removes an invalid session if it still has one of these generations. If the session has another generation, a
-- concurrent call has rotated the session to another user.
-- KEYS  Session.
-- ARGV  Generations.
-- Returns the number of removed sessions. The script does not remove a session with an unknown layout.
local found = redis.call('HMGET', KEYS[1], 'y', 'g')
for index = 1, #ARGV do
  if found[1] == LAYOUT and found[2] == ARGV[index] then
    return redis.call('UNLINK', KEYS[1])
  end
end
return 0
