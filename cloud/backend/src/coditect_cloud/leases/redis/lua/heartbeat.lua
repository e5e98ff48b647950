-- Prolongs leases of this license. ARGV from 4, for each: lease, epoch, counter, shown, secret.
local must = open()
if must then return must end
local bar = barred()

local function beat(id, epoch, counter, shown, secret)
  local lease = load(id)
  if not lease then
    local why = call('GET', P .. 'gone:' .. id)
    if not why then return refused('lease-not-found') end
    return refused(why == 'expired' and 'lease-expired' or 'lease-released')
  end
  if lease.expires <= now then return refused('lease-expired') end
  if lease.epoch ~= epoch or lease.counter ~= counter then return refused('stale-fence') end
  if bar then return refused(bar) end
  if lease.burned == '1' then return refused('seat-burned') end
  if lease.kind ~= 'floating' then return granted(lease) end
  local base, handed = lease.base, lease.handed
  if not show(lease, shown, secret) then
    change('clone_suspected', told(lease))
    return refused('clone-suspected')
  end
  if lease.base ~= base or lease.handed ~= handed then keep_secrets(lease) end
  lease.expires = cut(now + tonumber(lease.ttl))
  call('ZADD', LEASES, int(lease.expires), lease.id)
  return granted(lease)
end

local answers = {}
for at = 4, #ARGV, 5 do
  answers[#answers + 1] = beat(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
end
return { 'beaten', answers }
