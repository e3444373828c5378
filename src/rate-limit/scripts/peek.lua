-- Decides all limits of a call as take.lua does, and takes and writes nothing whatever comes of it.

local outcomes = decideAll(units, true)
-- A damaged log counts afresh; the next call that takes units removes it.
for index = 1, #fields do
  if damagedLog then
    stored[index] = fields[index] ~= damagedLog and stored[index]
  end
end
if damagedLog then
  hasNewerChunk = false
  outcomes = decideAll(units, true)
end
if hasNewerChunk then
  return NEWER_LAYOUT
end
return replyOf(outcomes)
