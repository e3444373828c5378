-- The server's time, read once: Unix milliseconds.
local serverTime = redis.call('TIME')
local nowMs = serverTime[1] * 1000 + serverTime[2] / 1000
nowMs = nowMs - nowMs % 1
