-- Decides all limits of a call like take.lua, but consumes and writes nothing.

local outcomes = decideAll(units, true)
-- Damaged logs start empty; the next call that consumes units removes them. Each round finds different logs, so there
-- are few rounds.
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
