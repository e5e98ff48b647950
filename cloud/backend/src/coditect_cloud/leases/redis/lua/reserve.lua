-- Keeps seats, all or none. ARGV: 4 reservation, 5 seats, 6 ttl, 7 by.
local must = open()
if must then return must end
purge()
local KEEP_MS = 86400000 -- the longest that seats are kept
local name, wanted, by = ARGV[4], tonumber(ARGV[5]), ARGV[7]
local kept = call('ZRANGEBYSCORE', P .. 'rsv:' .. name, '(' .. int(now), '+inf', 'WITHSCORES')
if kept[1] then return { 'reserved', int(now), #kept / 2, kept[2] } end
local bar = barred()
if not bar and T.settling > now then bar = 'settling' end
-- As many newcomers at once: those who wait have their seats first.
if not bar and free() - waiting() < wanted then bar = 'seats-exhausted' end
if bar then return deny(bar, '', by) end
local ttl = sooner(tonumber(ARGV[6]), KEEP_MS)
local expires = cut(now + ttl)
local before = in_use()
local ids = {}
for number = 1, wanted do
  local lease = { id = name .. '#' .. number, holder = '', device = '', kind = 'reserved',
    granted = int(now), expires = expires, ttl = int(ttl), burned = '0', label = by,
    overage = before + number > T.limit and '1' or '0' }
  raise_fence(lease)
  keep(lease)
  ids[number] = lease.id
end
change('reserved', { reservation = name, seats = wanted, leases = ids, expires_ms = expires,
  by = by })
return { 'reserved', int(now), wanted, int(expires) }
