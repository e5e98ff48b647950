-- Ends a lease. ARGV: 4 lease, 5 epoch, 6 counter (both '' by force), 7 by.
local must = open()
if must then return must end
purge()
local lease = live(ARGV[4])
if not lease then return { 'ended', int(now), 1 } end
local forced = ARGV[5] == ''
if not forced and (lease.epoch ~= ARGV[5] or lease.counter ~= ARGV[6]) then
  return refused('stale-fence')
end
if lease.burned == '1' then return refused('seat-burned', false, lease) end
-- Whoever has it works offline and cannot be told: it is burned instead, and counted.
if forced and lease.kind == 'borrowed' then return refused('conflict', false, lease) end
local kind, body = 'released', told(lease)
if forced then
  kind, body.by = 'forced', ARGV[7]
elseif lease.kind == 'borrowed' then
  kind = 'returned'
end
drop(lease, 'released')
change(kind, body)
return { 'ended', int(now), 0 }
