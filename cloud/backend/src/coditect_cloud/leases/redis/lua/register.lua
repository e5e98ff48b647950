-- Enters a lease that its holder proves, while the store settles.
-- ARGV: 4 lease, 5 holder, 6 device, 7 kind, 8 epoch, 9 counter, 10 granted, 11 expires, 12 ttl,
-- 13 burned, 14 label.
local must = open()
if must then return must end
purge()
local id, holder, expires = ARGV[4], ARGV[5], tonumber(ARGV[11])
local epoch, counter = tonumber(ARGV[8]), tonumber(ARGV[9])
local proved = ARGV[8] .. '.' .. ARGV[9]

-- Whether what the store has is of a later incarnation than what is proved. What was registered in
-- this epoch counts as what its own proof said: its fence tells only in which order proofs came.
local function newer(lease)
  local fence = fence_of(lease)
  if lease.epoch == T.epoch and lease.proved ~= '' then fence = lease.proved end
  local e, c = string.match(fence, '^(%d+)%.(%d+)$')
  e, c = tonumber(e), tonumber(c)
  return e > epoch or (e == epoch and c > counter)
end

local known = live(id)
if known and known.proved == proved and known.epoch == T.epoch then return granted(known, true) end
local bar = barred()
if bar then return refused(bar, seats()) end
if expires <= now then return refused('lease-expired', seats()) end
if T.settling <= now then return refused('lease-not-found', seats()) end
local gone = call('GET', P .. 'gone:' .. id)
if gone and gone ~= 'expired' then return refused('lease-released', seats()) end
-- The replica may have had an older incarnation, of this lease or of the holder's: what is proved
-- is then the grant that was lost, and takes the seat which is counted already.
local before = known or (holder ~= '' and live(call('HGET', HOLDER, holder)))
if before then
  if newer(before) then return refused('stale-fence', seats()) end
  if before.kind == 'borrowed' and before.id ~= id then
    return refused('holder-has-seat', seats(), before)
  end
elseif free() < 1 then
  return refused('seats-exhausted', seats())
end
local over = before and before.overage or (in_use() >= T.limit and '1' or '0')
if before then drop(before, 'released') end
local lease = { id = id, holder = holder, device = ARGV[6], kind = ARGV[7], granted = ARGV[10],
  expires = expires, ttl = ARGV[12], overage = over, burned = ARGV[13], label = ARGV[14],
  proved = proved }
if known then
  -- The store may know of a heartbeat that is later than the proof: nothing is ever shortened.
  lease.expires = later(expires, known.expires)
  lease.base, lease.handed = known.base, known.handed
  if known.burned == '1' then lease.burned = '1' end
end
raise_fence(lease)
call('DEL', P .. 'gone:' .. id)
keep(lease)
local body = told(lease)
body.proof = proved
change('registered', body)
return granted(lease, before and true)
