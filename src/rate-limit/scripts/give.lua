-- Returns units to all limits of a call. A limit without a value has used no units, and the script writes no value for
-- it.

local outcomes, written = {}, {}
for index = 1, #limits do
  outcomes[index] = step(index, stored[index] and -units or 0)
  if stored[index] then
    written[index] = outcomes[index]
  end
end
if hasNewerChunk then
  return unreadableChunk()
end
return write(written) or replyOf(outcomes)
