-- How the license stands.
local must = open(true)
if must then return must end
return { 'seats', int(now), seats() }
