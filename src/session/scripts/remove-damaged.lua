-- Removes a damaged session.
-- KEYS  Key of the session's hash.
-- ARGV  'report' if the caller has not received an error for this damage yet, otherwise nothing.
-- Without 'report', returns 1. With 'report', returns an error reply if the session is damaged (damage-repair.ts).
local _, refusal = loadSession()
return ARGV[1] and refusal or 1
