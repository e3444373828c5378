-- The server's time, read once: Unix milliseconds.
local serverTime = redis.call('TIME')
local nowMicroseconds = serverTime[2] + 0
local nowMs = serverTime[1] * 1000 + (nowMicroseconds - nowMicroseconds % 1000) / 1000
