-- Makes a license known under a higher epoch.
-- ARGV: 4 terms (JSON), 5 epoch, 6 how long to settle (ms; 0: not at all), 7 borrowed (JSON list
-- of packed leases).
local m = call('HMGET', META, 'epoch', 'clock', 'settling', 'seq', 'longest')
tick(m[2])
local epoch = tonumber(ARGV[5])
local higher = not m[1] or epoch > tonumber(m[1])
local settling = tonumber(m[3] or '0')
if higher then
  if tonumber(ARGV[6]) > 0 then
    -- Leases of earlier terms may live longer than the newest terms say.
    local longest = sooner(later(cjson.decode(ARGV[4]).ttl_ms, tonumber(m[5] or '0')), MAX_TTL_MS)
    settling = later(settling, now + longest + tonumber(ARGV[6]))
  end
  call('HSET', META, 'run', ARGV[1], 'epoch', int(epoch), 'counter', 0, 'seq', 0,
    'clock', int(now), 'settling', int(settling))
end
local taken, t = take_terms(4)
T = { epoch = higher and int(epoch) or m[1] }
if taken then tell_terms(t) end
if not higher then return { 'count', 0 } end
if settling > now then
  -- What the store remembers of the last epoch tells the audit how long its lost tail is.
  change('settling_opened', { until_ms = settling, last_epoch = tonumber(m[1] or '0'),
    last_seq = tonumber(m[4] or '0') })
end
for _, b in ipairs(cjson.decode(ARGV[7])) do
  local lease = { id = b[1], holder = b[2], device = b[3], kind = b[4], epoch = b[5],
    counter = b[6], granted = b[7], expires = tonumber(b[8]), ttl = b[9], overage = b[10],
    burned = b[11], label = b[12] }
  if lease.expires > now then
    local own = lease.burned ~= '1' and call('HGET', HOLDER, lease.holder)
    -- SQL knows better: a holder that borrowed has given its floating seat for it.
    if own and own ~= lease.id then
      local other = load(own)
      if other and other.kind == 'floating' then drop(other, 'borrowed') end
    end
    keep(lease)
  end
end
return { 'count', 1 }
