-- Reads a session and, where it is to be kept alive, starts its idle time afresh.
-- KEYS  session
-- ARGV  verifier, '1' to keep it alive
-- Gives back 1 (0 for who presents the previous verifier within its grace, which keeps nothing alive) and all fields, or nil.
local now = now_ms()
local session = load_session(now)
if not session then
  return nil
end
if session.verifier ~= ARGV[1] then
  if session.previous ~= ARGV[1] or now >= session.previous_end then
    return nil
  end
  return { 0, redis.call('HGETALL', KEYS[1]) }
end
local age = now - session.seen
if ARGV[2] == '1' and age > 0 and age >= math.min(1000, math.floor(session.idle / 100)) then
  begin_in_place()
  redis.call('HSET', KEYS[1], 's', whole(now))
  set_end(now, session.idle, session.absolute_end)
end
return { 1, redis.call('HGETALL', KEYS[1]) }
