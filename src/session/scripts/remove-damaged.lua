-- Removes a session that is damaged.
-- KEYS  session
-- ARGV  whether it is to be reported, that is where nothing was reported yet: 'report' or nothing
-- Returns 1, or an error reply (damage-repair.ts).
local _, refusal = loadSession()
return ARGV[1] and refusal or 1
