-- Shared by the cache's scripts that judge entries. model.ts has their layout.
local HEADER_BYTES = 41

-- Whether an entry (its header suffices) can be read, is of the bucket's sequence and was written after the last flush.
local function is_live(entry, incarnation, flushed)
  local format, flags, header_bytes = string.byte(entry, 1, 3)
  if format ~= 1 or not header_bytes or flags > 1 or header_bytes < HEADER_BYTES or #entry < header_bytes then
    return false
  end
  return string.sub(entry, 4, 11) == incarnation
    and (not flushed or struct.unpack('>I8', entry, 12) > (tonumber(flushed) or math.huge))
end
