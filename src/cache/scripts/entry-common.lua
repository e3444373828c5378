-- Shared by the cache's scripts that judge entries. model.ts has their layout.
local HEADER_BYTES = 41

-- Whether an entry (its header suffices) can be read, is of the bucket's sequence and was written after the last flush.
local function isLive(entry, incarnation, flushed)
  local format, flags, headerBytes = string.byte(entry, 1, 3)
  if format ~= 1 or not headerBytes or flags > 1 or headerBytes < HEADER_BYTES or #entry < headerBytes then
    return false
  end
  return string.sub(entry, 4, 11) == incarnation
    and (not flushed or struct.unpack('>I8', entry, 12) > (tonumber(flushed) or math.huge))
end
