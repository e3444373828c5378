-- Starts a session's idle timeout afresh, for a caller that has just read it. Concurrent callers write once.
-- KEYS  session
-- ARGV  verifier
-- Returns when the session was last used, or nil where it is gone or was rotated since, or UNKNOWN_LAYOUT.
local now = now_ms()
local session, refusal = load_session(now)
if not session or session.verifier ~= ARGV[1] then
  return refusal
end
-- touchIntervalMs of model.ts.
if now <= session.seen or now - session.seen < math.min(1000, math.floor(session.idle / 100)) then
  return session.seen
end
redis.call('HSET', KEYS[1], 's', whole(now))
set_end(now, session.idle, session.absolute_end)
return now
