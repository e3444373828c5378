-- Returns the versions of tags of one tag bucket, and creates missing tags. Extends the TTL of each tag to at least the
-- requested TTL.
-- KEYS contains the keys of the tags.
-- ARGV contains the TTL in ms and a random version for each tag.
local versions = {}
local isDamaged = false
for index = 1, #KEYS do
  local version = redis.call('GET', KEYS[index])
  if not version or #version ~= 8 then
    isDamaged = isDamaged or version
    version = ARGV[index + 1]
    redis.call('SET', KEYS[index], version, 'PX', ARGV[1])
  elseif redis.call('PTTL', KEYS[index]) < tonumber(ARGV[1]) then
    redis.call('PEXPIRE', KEYS[index], ARGV[1])
  end
  versions[index] = version
end
if isDamaged then
  -- The sidecar repeats the command once (damage-repair.ts).
  return { err = 'DAMAGED tag' }
end
return versions
