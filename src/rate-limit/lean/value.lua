-- Unpacks the value of a limit, for the fragment of its algorithm. What it cannot judge is left to the general script.

local endMs, atMs, used, other = 0, nowMs, 0, 0
if value then
  local layout
  if #value == 33 then
    endMs, layout, atMs, used, other = struct.unpack('<dBddd', value)
  end
  if layout ~= 1 or atMs > nowMs then
    return 'F'
  end
end
local fits, emptyMs
