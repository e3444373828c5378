-- Removes a damaged session.
-- KEYS  session
-- ARGV  'report' if the damage was not reported before, or nothing
-- Returns 1, or with 'report' an error reply (damage-repair.ts).
local _, refusal = loadSession()
return ARGV[1] and refusal or 1
