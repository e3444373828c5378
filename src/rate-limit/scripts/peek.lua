-- Decides all limits of a call as take.lua does, and takes and writes nothing whatever comes of it.

local outcomes = decideAll(units, true)
-- Damaged logs count afresh; the next call that takes units removes them. No round meets a log of an earlier one, so there are few.
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
