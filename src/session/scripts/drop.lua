-- Removes an invalid session if it still has one of the given generations. If the session has another generation, a
-- concurrent call has rotated the session to another user.
-- KEYS  Key of the session's hash.
-- ARGV  Generations.
-- Returns 1 if the script removed the session, otherwise 0. The script does not remove a session with an unknown
-- layout.
local found = redis.call('HMGET', KEYS[1], 'y', 'g')
for index = 1, #ARGV do
  if found[1] == LAYOUT and found[2] == ARGV[index] then
    return redis.call('UNLINK', KEYS[1])
  end
end
return 0
