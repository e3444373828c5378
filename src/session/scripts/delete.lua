-- Ends a session.
-- KEYS  session
-- ARGV  verifier, or '' where the handle alone says which
-- Gives back its user and generation, or nil where no live one was there.
local session = load_session(now_ms())
if not session or (ARGV[1] ~= '' and session.verifier ~= ARGV[1]) then
  return nil
end
redis.call('UNLINK', KEYS[1])
return { session.user, session.generation }
