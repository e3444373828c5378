-- LEAKY_BUCKET: denies a call that would have to wait longer than its caller accepts.
if ARGV[3] and used * windowMs + other > tonumber(ARGV[3]) * limit then
  fits = false
end
