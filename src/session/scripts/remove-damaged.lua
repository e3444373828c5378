-- Removes a damaged session.
-- KEYS  Session.
-- ARGV  'report' if the damage has not been reported yet, otherwise nothing.
-- Returns 1, or an error reply (damage-repair.ts) if ARGV contains 'report'.
local _, refusal = loadSession()
return ARGV[1] and refusal or 1
