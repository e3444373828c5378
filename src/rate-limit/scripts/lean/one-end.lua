-- Takes the units of a call with one limit, if they fit.
--
-- Reply  the limit's state as of now with the cost added, packed as its value: end of the value, 1 (taken) or 0
--        (denied), now, used, other. Taken: these bytes are the value, so nothing is packed twice. The program computes
--        the outcome from them (redis-reply.ts).
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
-- A quarter of a window of slack, so that most decisions leave the expiry of the key alone.
endMs = emptyMs + math.min(3600000, math.max(1000, windowMs / 4))
endMs = endMs - endMs % 1
value = struct.pack('<dBddd', endMs, 1, nowMs, used, other)
redis.call('HSET', KEYS[1], field, value)
if fieldCount == 0 then
  local reply = redis.pcall('PEXPIREAT', KEYS[1], string.format('%.0f', endMs))
  if reply ~= 1 then
    -- Redis refused it: a new key must not stay without an expiry.
    redis.call('UNLINK', KEYS[1])
    return reply
  end
else
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', endMs), 'GT')
end
return value
