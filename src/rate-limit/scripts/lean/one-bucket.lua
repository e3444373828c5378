-- Unpacks the numbers of a bucket. Each number consists of six characters of 7 bits (packed-limits.ts).
local a1, a2, a3, a4, a5, a6, b1, b2, b3, b4, b5, b6, c1, c2, c3, c4, c5, c6 = string.byte(ARGV[1], 2, 19)
local limit = ((((a1 * 128 + a2) * 128 + a3) * 128 + a4) * 128 + a5) * 128 + a6
local windowMs = ((((b1 * 128 + b2) * 128 + b3) * 128 + b4) * 128 + b5) * 128 + b6
local burst = ((((c1 * 128 + c2) * 128 + c3) * 128 + c4) * 128 + c5) * 128 + c6
