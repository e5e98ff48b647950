-- Where a ticket stands. ARGV: 4 ticket.
local must = open(true)
if must then return must end
local place = position(ARGV[4])
if not place then return { 'none' } end
return { 'queued', int(now), ARGV[4], place, seats() }
