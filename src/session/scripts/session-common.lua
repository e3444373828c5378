-- What the scripts of a session's hash share; put before each of them but read.lua. KEYS[1] is the session in all of them.
-- Fields: y layout, v verifier, p previous verifier, q end of its grace, u user, g generation, n version, c created, s last seen,
-- i idle timeout, a absolute expiry, k number of data fields, b their bytes, l labels, f:<name> data.

local LAYOUT = '1'
-- The reply of a script that met a layout which it does not know. It has changed nothing.
local UNKNOWN_LAYOUT = -1

-- Numbers become text by this alone: Lua's own conversion writes large ones as 1e+14.
local function whole(number)
  return string.format('%.0f', number)
end

-- The number in this text, or nil where it is none that `whole` has written.
local function number_in(text)
  return text and #text < 17 and string.match(text, '^%d+$') and tonumber(text) or nil
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The live session; or nil, and a reply: UNKNOWN_LAYOUT where there is one that this script does not know, an error reply where one was damaged
-- and is removed now: the program sends the call once more (damage-repair.ts).
local function load_session(now)
  local found = redis.call('HMGET', KEYS[1], 'y', 'v', 'u', 'g', 'n', 'c', 's', 'i', 'a', 'k', 'b', 'p', 'q')
  if not found[1] and not found[2] then
    return nil
  end
  if found[1] ~= LAYOUT then
    return nil, UNKNOWN_LAYOUT
  end
  local session = {
    verifier = found[2],
    user = found[3],
    generation = found[4],
    version = number_in(found[5]),
    created = number_in(found[6]),
    seen = number_in(found[7]),
    idle = number_in(found[8]),
    absolute_end = number_in(found[9]),
    fields = number_in(found[10]),
    bytes = number_in(found[11]),
  }
  local is_whole = session.verifier and session.user and session.generation and session.version and session.created
    and session.seen and session.idle and session.absolute_end and session.fields and session.bytes
    and found[12] and number_in(found[13])
  if not is_whole then
    redis.call('UNLINK', KEYS[1])
    return nil, { err = 'DAMAGED session' }
  end
  if now >= math.min(session.seen + session.idle, session.absolute_end) then
    return nil
  end
  return session
end

-- The last command of a script: a time that has come meanwhile deletes the key, so nothing can be read after it.
local function set_end(seen, idle, absolute_end)
  redis.call('PEXPIREAT', KEYS[1], whole(math.min(seen + idle, absolute_end)))
end

-- A change of data stands in ARGV from `first` on: most fields, most bytes, how many to set, their names and values, and
-- the names to remove. Gives back what the data would have then; writes nothing.
local function measure_change(session, first)
  local fields = session.fields
  local bytes = session.bytes
  local last_set = first + 2 + 2 * tonumber(ARGV[first + 2])
  for index = first + 3, last_set, 2 do
    local name = 'f:' .. ARGV[index]
    if redis.call('HEXISTS', KEYS[1], name) == 1 then
      bytes = bytes - redis.call('HSTRLEN', KEYS[1], name) + #ARGV[index + 1]
    else
      fields = fields + 1
      bytes = bytes + #ARGV[index] + #ARGV[index + 1]
    end
  end
  for index = last_set + 1, #ARGV do
    local name = 'f:' .. ARGV[index]
    if redis.call('HEXISTS', KEYS[1], name) == 1 then
      fields = fields - 1
      bytes = bytes - #ARGV[index] - redis.call('HSTRLEN', KEYS[1], name)
    end
  end
  local too_large = fields > tonumber(ARGV[first]) or bytes > tonumber(ARGV[first + 1])
  return fields, bytes, too_large
end

-- Writes the change that was measured; gives back the version after it.
local function write_change(session, first, fields, bytes)
  local last_set = first + 2 + 2 * tonumber(ARGV[first + 2])
  if #ARGV == first + 2 then
    return session.version
  end
  for index = first + 3, last_set, 2 do
    redis.call('HSET', KEYS[1], 'f:' .. ARGV[index], ARGV[index + 1])
  end
  for index = last_set + 1, #ARGV do
    redis.call('HDEL', KEYS[1], 'f:' .. ARGV[index])
  end
  local version = session.version + 1
  redis.call('HSET', KEYS[1], 'n', whole(version), 'k', whole(fields), 'b', whole(bytes))
  return version
end
