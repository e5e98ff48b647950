-- Takes newer terms. ARGV: 4 terms (JSON).
local must = open()
if must then return must end
local taken, t = take_terms(4)
if taken then tell_terms(t) end
return { 'count', taken and 1 or 0 }
