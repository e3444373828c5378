-- Defines functions for the scripts that change the hash of one session. KEYS[1] is the key of this hash.
--
-- Fields that identify the session: y (layout), v (verifier), p (previous verifier), q (end of its grace period),
-- u (user), g (generation), n (version).
-- Fields with times: c (created), s (last seen), i (idle timeout), a (absolute expiry).
-- Fields with data: k (number of data fields), b (their bytes), l (labels), f:<name> (value of a data field).

local LAYOUT = '1'
-- Reply of a script that found an unknown layout and changed nothing.
local UNKNOWN_LAYOUT = -1

-- Returns the live session, or nil and the reply of the script. The reply is nil if there is no live session, and
-- UNKNOWN_LAYOUT for an unknown layout. If the session is damaged, the function deletes it, and the reply is an error,
-- after which the sidecar repeats the call (damage-repair.ts).
local function loadSession()
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
    version = numberIn(found[5]),
    created = numberIn(found[6]),
    seen = numberIn(found[7]),
    idle = numberIn(found[8]),
    absoluteEnd = numberIn(found[9]),
    fields = numberIn(found[10]),
    bytes = numberIn(found[11]),
  }
  local isWhole = session.verifier and session.user and session.generation and session.version and session.created
    and session.seen and session.idle and session.absoluteEnd and session.fields and session.bytes
    and found[12] and numberIn(found[13])
  if not isWhole then
    redis.call('UNLINK', KEYS[1])
    return nil, { err = 'DAMAGED session' }
  end
  if nowMs >= math.min(session.seen + session.idle, session.absoluteEnd) then
    return nil
  end
  return session
end

-- Sets the expiry of the session's key. A script must call this function last, because PEXPIREAT with a time in the
-- past deletes the key.
local function setEnd(seen, idle, absoluteEnd)
  redis.call('PEXPIREAT', KEYS[1], whole(math.min(seen + idle, absoluteEnd)))
end

-- Returns the number of data fields and bytes after a change, and whether the data would be too large. Writes nothing.
-- The arguments of the change start at ARGV[first]: maximum number of fields, maximum bytes, number of fields to set,
-- their names and values, and the names to remove.
local function measureChange(session, first)
  local fields = session.fields
  local bytes = session.bytes
  local lastSet = first + 2 + 2 * tonumber(ARGV[first + 2])
  for index = first + 3, lastSet, 2 do
    local name = 'f:' .. ARGV[index]
    if redis.call('HEXISTS', KEYS[1], name) == 1 then
      bytes = bytes - redis.call('HSTRLEN', KEYS[1], name) + #ARGV[index + 1]
    else
      fields = fields + 1
      bytes = bytes + #ARGV[index] + #ARGV[index + 1]
    end
  end
  for index = lastSet + 1, #ARGV do
    local name = 'f:' .. ARGV[index]
    if redis.call('HEXISTS', KEYS[1], name) == 1 then
      fields = fields - 1
      bytes = bytes - #ARGV[index] - redis.call('HSTRLEN', KEYS[1], name)
    end
  end
  local tooLarge = fields > tonumber(ARGV[first]) or bytes > tonumber(ARGV[first + 1])
  return fields, bytes, tooLarge
end

-- Writes the change for which `measureChange` returned `fields` and `bytes`. Returns the version after the change.
local function writeChange(session, first, fields, bytes)
  local lastSet = first + 2 + 2 * tonumber(ARGV[first + 2])
  if #ARGV == first + 2 then
    return session.version
  end
  for index = first + 3, lastSet, 2 do
    redis.call('HSET', KEYS[1], 'f:' .. ARGV[index], ARGV[index + 1])
  end
  for index = lastSet + 1, #ARGV do
    redis.call('HDEL', KEYS[1], 'f:' .. ARGV[index])
  end
  local version = session.version + 1
  redis.call('HSET', KEYS[1], 'n', whole(version), 'k', whole(fields), 'b', whole(bytes))
  return version
end
