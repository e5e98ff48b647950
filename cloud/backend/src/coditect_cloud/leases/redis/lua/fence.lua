-- The newest fence granted.
local m = call('HMGET', META, 'epoch', 'counter')
if not m[1] then return { 'none' } end
return { 'fence', m[1], m[2] }
