-- Renews the idle timeout of a session that the caller has just read. If several callers run the script concurrently,
-- only one run writes.
-- KEYS  Key of the session's hash.
-- ARGV  Verifier.
-- Returns the last-seen time, nil if the session has ended or was rotated, or UNKNOWN_LAYOUT.
local session, refusal = loadSession()
if not session or session.verifier ~= ARGV[1] then
  return refusal
end
-- The function touchIntervalMs (model.ts) implements the same rule.
if nowMs <= session.seen or nowMs - session.seen < math.min(1000, math.floor(session.idle / 100)) then
  return session.seen
end
redis.call('HSET', KEYS[1], 's', whole(nowMs))
setEnd(nowMs, session.idle, session.absoluteEnd)
return nowMs
