-- Ends a session.
-- KEYS  session
-- ARGV  verifier, or '' where the handle alone says which
-- Returns its user and generation, or nil where no live one was there, or UNKNOWN_LAYOUT.
local session, refusal = loadSession()
if not session or (ARGV[1] ~= '' and session.verifier ~= ARGV[1]) then
  return refusal
end
redis.call('UNLINK', KEYS[1])
return { session.user, session.generation }
