-- Unpacks the value of a limit, for the fragment of its algorithm. What it cannot judge is left to the general script.

local endMs, atMs, used, other = 0, nowMs, 0, 0
if value then
  local layout
  if #value == 33 then
    endMs, layout, atMs, used, other = struct.unpack('<dBddd', value)
  end
  -- A comparison with NaN is false. 2^53: no script of ours writes such a number.
  if
    layout ~= 1
    or not (atMs <= nowMs and endMs < 9007199254740992 and used >= 0 and used < 9007199254740992)
    or not (other >= 0 and other < 9007199254740992)
  then
    return 'F'
  end
end
local fits, emptyMs
