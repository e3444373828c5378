-- Ends a session.
-- KEYS  Session.
-- ARGV  Verifier, or '' if the handle is sufficient.
-- Returns the user and generation of the session, nil if the session was not live, or UNKNOWN_LAYOUT.
local session, refusal = loadSession()
if not session or (ARGV[1] ~= '' and session.verifier ~= ARGV[1]) then
  return refusal
end
redis.call('UNLINK', KEYS[1])
return { session.user, session.generation }
