-- What scripts of all folders share. A script is sent with those blocks of it that it uses (script-library.ts).

-- The server's time in Unix milliseconds, read once. No function: lean scripts must not create one.
local serverTime = redis.call('TIME')
local nowMs = serverTime[1] * 1000 + serverTime[2] / 1000
nowMs = nowMs - nowMs % 1

-- Numbers become text by this alone: Lua's own conversion writes large ones as 1e+14.
local function whole(number)
  return string.format('%.0f', number)
end

-- The number in this text, or nil where it is none that `whole` has written.
local function numberIn(text)
  return text and #text < 17 and string.match(text, '^%d+$') and tonumber(text) or nil
end

-- Sets the expiry of a key that the script has just created. Returns nil, or the error reply where Redis refused it: the key is gone then,
-- because a new key must not stay without an expiry.
local function expireNewKey(key, atMs)
  local reply = redis.pcall('PEXPIREAT', key, whole(atMs))
  if reply ~= 1 then
    redis.call('UNLINK', key)
    return reply
  end
  return nil
end
