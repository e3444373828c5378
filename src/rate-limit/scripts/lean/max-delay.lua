-- LEAKY_BUCKET: denies a call whose delay would exceed the maximum that the caller accepts.
if ARGV[3] and used * windowMs + other > tonumber(ARGV[3]) * limit then
  fits = false
end
