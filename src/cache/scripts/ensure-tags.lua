-- The versions of these tags (of one tag bucket), made where there are none; they live as long as the entry to come, at least.
-- KEYS  tags
-- ARGV  life, ms; per tag a random version for it
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
  -- The program sends the call once more (damage-repair.ts).
  return { err = 'DAMAGED tag' }
end
return versions
