-- Blocks that scripts of all folders share. Each script includes only the blocks that it uses (script-library.ts).

-- Server time in Unix milliseconds, read once. The time is not read by a function, because the scripts of the common
-- case must not create a function.
local serverTime = redis.call('TIME')
local nowMs = serverTime[1] * 1000 + serverTime[2] / 1000
nowMs = nowMs - nowMs % 1

-- Formats a number as decimal digits. Lua itself would format large numbers as 1e+14.
local function whole(number)
  return string.format('%.0f', number)
end

-- Parses a number that `whole` has formatted. Returns nil for any other text.
local function numberIn(text)
  return text and #text < 17 and string.match(text, '^%d+$') and tonumber(text) or nil
end

-- Sets the expiry of a key that the script has just created. Returns nil on success. If Redis refuses the command,
-- removes the key and returns the error reply, because a new key must not remain without an expiry.
local function expireNewKey(key, atMs)
  local reply = redis.pcall('PEXPIREAT', key, whole(atMs))
  if reply ~= 1 then
    redis.call('UNLINK', key)
    return reply
  end
  return nil
end
