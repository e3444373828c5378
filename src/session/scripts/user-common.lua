-- Defines functions for the scripts that read or change the hash of one user. KEYS[1] is the key of this hash.
--
-- Fields of the hash: y (layout), i (incarnation), n (number; the generation is i:n), e (expiry).
-- Field k: the session that stays valid with an older generation, as "<handle> <generation>" or ''.
-- Field h:<handle>: a listed session, as "<listed at> <absolute expiry>".

local LAYOUT = '1'
-- Number of fields that are not list entries: y, i, n, e and k.
local FIXED_FIELDS = 5

-- Returns the fields y, i, n and k (layout, incarnation, number and kept session). A script that calls this function
-- also returns these values, so that the sidecar detects an unknown layout. A script changes nothing if the layout is
-- unknown. If the user's hash is damaged, the function deletes the hash, which ends all sessions of the user. The
-- second result is then an error reply, after which the sidecar repeats the call (damage-repair.ts).
local function readGeneration()
  local found = redis.call('HMGET', KEYS[1], 'y', 'i', 'n', 'k')
  local number = found[3] and string.match(found[3], '^%d+$')
  if found[1] == LAYOUT and not (found[2] and number and #found[3] < 16 and found[4]) then
    redis.call('UNLINK', KEYS[1])
    return found, { err = 'DAMAGED user' }
  end
  return found
end

-- Returns the time at which an entry was listed and the absolute expiry of the entry's session, or nil if the entry is
-- damaged.
local function parseEntry(entry)
  local listed, absoluteEnd = string.match(entry, '^(%d+) (%d+)$')
  if listed and #listed < 17 and #absoluteEnd < 17 then
    return tonumber(listed), tonumber(absoluteEnd)
  end
  return nil
end

local function entryText(listed, absoluteEnd)
  return whole(listed) .. ' ' .. whole(absoluteEnd)
end

local function putEntry(handle, listed, absoluteEnd)
  redis.call('HSET', KEYS[1], 'h:' .. handle, entryText(listed, absoluteEnd))
end

-- Sets the expiry of the user's key to `userEnd`, unless the key already has a later expiry.
local function extend(userEnd)
  local old = tonumber(redis.call('HGET', KEYS[1], 'e') or '0') or 0
  userEnd = math.max(old, userEnd)
  redis.call('HSET', KEYS[1], 'e', whole(userEnd))
  redis.call('PEXPIREAT', KEYS[1], whole(userEnd))
end
