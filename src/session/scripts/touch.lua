-- Starts a session's idle timeout afresh, for a caller that has just read it. Concurrent callers write once.
-- KEYS  session
-- ARGV  verifier
-- Returns when the session was last used, or nil where it is gone or was rotated since, or UNKNOWN_LAYOUT.
local session, refusal = loadSession()
if not session or session.verifier ~= ARGV[1] then
  return refusal
end
-- touchIntervalMs of model.ts.
if nowMs <= session.seen or nowMs - session.seen < math.min(1000, math.floor(session.idle / 100)) then
  return session.seen
end
redis.call('HSET', KEYS[1], 's', whole(nowMs))
setEnd(nowMs, session.idle, session.absoluteEnd)
return nowMs
