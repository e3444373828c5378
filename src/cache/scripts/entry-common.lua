-- Common code of the cache scripts that check entries. model.ts describes the layout of an entry.
local HEADER_BYTES = 41

-- Returns whether an entry has a known format, belongs to the sequence of its bucket and was written after the last
-- flush. The first 41 bytes of the entry are sufficient for this check.
local function isLive(entry, incarnation, flushed)
  local format, flags, headerBytes = string.byte(entry, 1, 3)
  if format ~= 1 or not headerBytes or flags > 1 or headerBytes < HEADER_BYTES or #entry < headerBytes then
    return false
  end
  return string.sub(entry, 4, 11) == incarnation
    and (not flushed or struct.unpack('>I8', entry, 12) > (tonumber(flushed) or math.huge))
end
