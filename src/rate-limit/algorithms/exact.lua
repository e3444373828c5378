-- Divides the product of two integers by a third integer without rounding errors. The file exact.ts explains the
-- arithmetic and its bounds.

local function multiplyDivide(a, b, c)
  if a < 68719476736 and a * b < 9007199254740991 then
    local product = a * b
    local quotient = math.floor(product / c)
    return quotient, product - quotient * c
  end
  local quotient, remainder, rest = 0, 0, a
  local weight = 68719476736
  while weight >= 1 do
    local digit = math.floor(rest / weight)
    rest = rest - digit * weight
    remainder = remainder * 4096 + digit * b
    local carry = math.floor(remainder / c)
    remainder = remainder - carry * c
    quotient = quotient * 4096 + carry
    weight = weight / 4096
  end
  return quotient, remainder
end

local function multiplyDivideUp(a, b, c)
  local quotient, remainder = multiplyDivide(a, b, c)
  if remainder > 0 then
    return quotient + 1
  end
  return quotient
end
