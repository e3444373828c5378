-- Consumes units from all limits of a call, or from none. A denial writes nothing unless a store with a broken clock
-- has written a state (step.ts, rule 4).

local outcomes, allowed = decideAll(units, false)
local written = {}
for index = 1, #limits do
  if allowed then
    written[index] = outcomes[index]
  elseif outcomes[index].repaired then
    written[index] = step(index, 0)
  end
end
if hasNewerChunk then
  return unreadableChunk()
end
return write(written) or replyOf(outcomes)
