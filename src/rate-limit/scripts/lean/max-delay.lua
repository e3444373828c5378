-- LEAKY_BUCKET: denies what would have to wait for longer than the caller accepts.
if ARGV[3] and used * windowMs + other > tonumber(ARGV[3]) * limit then
  fits = false
end
