-- Decides all limits of a call as take.lua does, and writes nothing whatever comes of it.

local outcomes = decideAll(units)
if hasNewerChunk then
  return NEWER_LAYOUT
end
return replyOf(outcomes)
