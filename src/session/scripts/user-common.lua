-- What the scripts of a user's hash share. KEYS[1] is the user in all of them.
-- Fields: y layout, i incarnation, n number (both make the generation), e when the user may be forgotten, k the session that is kept
-- with an older generation as "<handle> <generation>" or '', h:<handle> a listed session as "<listed at> <absolute expiry>".

local LAYOUT = '1'
-- y, i, n, e and k; the other fields are the list.
local FIXED_FIELDS = 5

-- Layout, incarnation, number and the kept session. Every script returns this, so that its caller sees a layout that it does not know;
-- of such a user a script changes nothing. A damaged user is removed, which ends all of its sessions: then the second value is the reply, for which
-- the program sends the call once more (damage-repair.ts).
local function readGeneration()
  local found = redis.call('HMGET', KEYS[1], 'y', 'i', 'n', 'k')
  local number = found[3] and string.match(found[3], '^%d+$')
  if found[1] == LAYOUT and not (found[2] and number and #found[3] < 16 and found[4]) then
    redis.call('UNLINK', KEYS[1])
    return found, { err = 'DAMAGED user' }
  end
  return found
end

-- When an entry of the list was made, and when its session ends at the latest; nil if it is damaged.
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

-- Lets the user live until then, at least; never shorter than before.
local function extend(userEnd)
  local old = tonumber(redis.call('HGET', KEYS[1], 'e') or '0') or 0
  userEnd = math.max(old, userEnd)
  redis.call('HSET', KEYS[1], 'e', whole(userEnd))
  redis.call('PEXPIREAT', KEYS[1], whole(userEnd))
end
