-- Consumes the units of a call with one limit if they fit.
--
-- Reply  The current state of the limit with the cost added, in the form of its value: expiry of the value, 1 (allowed)
--        or 0 (denied), now, used, other. If the call is allowed, the script stores the same bytes, so the script packs
--        these bytes only once. The file redis-reply.ts computes the outcome from the reply.
used = used + cost
if not fits then
  return struct.pack('<dBddd', 0, 0, nowMs, used, other)
end
if emptyMs <= endMs then
  value = struct.pack('<dBddd', endMs, 1, nowMs, used, other)
  redis.call('HSET', KEYS[1], field, value)
  return value
end
local fieldCount = 1
if not value then
  fieldCount = redis.call('HLEN', KEYS[1])
  if fieldCount > 512 then
    return 'F'
  end
end
-- Adds about a quarter of a window (at least 1 s, at most 1 h) to the expiry, so that most decisions need not change
-- the expiry of the key.
endMs = emptyMs + math.min(3600000, math.max(1000, windowMs / 4))
endMs = endMs - endMs % 1
value = struct.pack('<dBddd', endMs, 1, nowMs, used, other)
redis.call('HSET', KEYS[1], field, value)
if fieldCount == 0 then
  local reply = redis.pcall('PEXPIREAT', KEYS[1], string.format('%.0f', endMs))
  if reply ~= 1 then
    -- Redis rejected the command. A new key must not remain without an expiry.
    redis.call('UNLINK', KEYS[1])
    return reply
  end
else
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', endMs), 'GT')
end
return value
