-- Unpacks the value of a limit for the fragment of its algorithm. The general script handles values that this code
-- cannot interpret.

local endMs, atMs, used, other = 0, nowMs, 0, 0
if value then
  local layout
  if #value == 33 then
    endMs, layout, atMs, used, other = struct.unpack('<dBddd', value)
  end
  -- These conditions also reject NaN, because any comparison with NaN is false. None of our scripts writes a number of
  -- 2^53 or more.
  if
    layout ~= 1
    or not (atMs <= nowMs and endMs < 9007199254740992 and used >= 0 and used < 9007199254740992)
    or not (other >= 0 and other < 9007199254740992)
  then
    return 'F'
  end
end
local fits, emptyMs
