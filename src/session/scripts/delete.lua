-- Ends a session.
-- KEYS  Key of the session's hash.
-- ARGV  Verifier, or '' to end the session whatever its verifier is.
-- Returns the user and generation of the ended session, nil if no live session has this verifier, or UNKNOWN_LAYOUT.
local session, refusal = loadSession()
if not session or (ARGV[1] ~= '' and session.verifier ~= ARGV[1]) then
  return refusal
end
redis.call('UNLINK', KEYS[1])
return { session.user, session.generation }
