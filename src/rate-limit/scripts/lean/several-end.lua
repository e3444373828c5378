  -- Builds the limit's current state with the cost added, in the form of its value: expiry, 1 (the cost fits) or 0 (it
  -- does not), now, used, other.
  used = used + cost
  if emptyMs > endMs then
    -- Adds about a quarter of a window (at least 1 s, at most 1 h) to the expiry, so that most decisions need not
    -- change the expiry of the key.
    endMs = emptyMs + math.min(3600000, math.max(1000, windowMs / 4))
    endMs = endMs - endMs % 1
    if endMs > keyEndMs then
      keyEndMs = endMs
    end
  end
  if fits then
    value = struct.pack('<dBddd', endMs, 1, nowMs, used, other)
  else
    allFit = false
    value = struct.pack('<dBddd', endMs, 0, nowMs, used, other)
  end
  values[index] = value
  writes[index * 2 - 1] = fields[index]
  writes[index * 2] = value
end
if not allFit then
  return table.concat(values)
end
local fieldCount = 1
if hasNew then
  fieldCount = redis.call('HLEN', KEYS[1])
  if fieldCount > 512 then
    return 'F'
  end
end
redis.call('HSET', KEYS[1], unpack(writes))
if fieldCount == 0 then
  local reply = redis.pcall('PEXPIREAT', KEYS[1], string.format('%.0f', keyEndMs))
  if reply ~= 1 then
    -- Redis rejected the command. A new key must not remain without an expiry.
    redis.call('UNLINK', KEYS[1])
    return reply
  end
elseif keyEndMs > 0 then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', keyEndMs), 'GT')
end
return table.concat(values)
