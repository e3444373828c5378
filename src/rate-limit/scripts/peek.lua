-- Decides all limits of a call as take.lua does, and takes and writes nothing whatever comes of it.

local outcomes = decideAll(units, true)
if hasNewerChunk then
  return NEWER_LAYOUT
end
return replyOf(outcomes)
