-- Decides all limits of a call in the same way as take.lua, but consumes and writes nothing.

local outcomes = decideAll(units, true)
-- Treats damaged logs as empty. The next call that consumes units removes the damaged logs. Each further round requires
-- a newly found damaged log, so there are at most as many further rounds as limits.
while #damagedLogs > 0 do
  for _, name in ipairs(damagedLogs) do
    for index = 1, #fields do
      stored[index] = fields[index] ~= name and stored[index]
    end
  end
  damagedLogs, hasNewerChunk = {}, false
  outcomes = decideAll(units, true)
end
if hasNewerChunk then
  return NEWER_LAYOUT
end
return replyOf(outcomes)
