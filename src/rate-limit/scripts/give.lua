-- Returns units to all limits of a call. If a limit has no value, none of its units are in use, so the script writes no
-- value for it.

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
