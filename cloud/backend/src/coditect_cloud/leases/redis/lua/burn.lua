-- Declares a borrowed seat lost. ARGV: 4 lease, 5 by.
local must = open()
if must then return must end
purge()
local lease = live(ARGV[4])
if not lease then return refused('lease-not-found') end
if lease.kind ~= 'borrowed' then return refused('conflict', false, lease) end
if lease.burned ~= '1' then
  lease.burned = '1'
  call('HSET', P .. 'lease:' .. lease.id, 'burned', '1')
  -- Its holder may have another seat, if there is one.
  if call('HGET', HOLDER, lease.holder) == lease.id then call('HDEL', HOLDER, lease.holder) end
  local body = told(lease)
  body.by = ARGV[5]
  change('burned', body)
end
return { 'lease', int(now), packed(lease) }
