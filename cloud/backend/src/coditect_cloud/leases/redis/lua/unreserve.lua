-- Gives back what is left of a reservation. ARGV: 4 reservation, 5 by.
local must = open()
if must then return must end
purge()
local left = call('ZRANGEBYSCORE', P .. 'rsv:' .. ARGV[4], '(' .. int(now), '+inf')
for _, id in ipairs(left) do
  drop(load(id))
end
if #left > 0 then
  change('unreserved', { reservation = ARGV[4], seats = #left, leases = left, by = ARGV[5] })
end
return { 'count', #left }
