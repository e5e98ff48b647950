-- A live lease. ARGV: 4 lease.
local must = open(true)
if must then return must end
local lease = live(ARGV[4])
if not lease then return { 'none' } end
return { 'lease', int(now), packed(lease) }
