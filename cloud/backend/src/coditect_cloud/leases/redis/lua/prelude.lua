-- What every script begins with: keys, store time, the terms, leases, the queue, the outbox.
--
-- KEYS[1..9] share one hash tag, so that they live and move together. Every script names all of
-- them: while a slot moves between nodes, a cluster then answers TRYAGAIN instead of showing a
-- half of the license. Keys of single leases are derived from them, under the same tag.
--
-- ARGV[1]     run_id of the server, as this connection read it
-- ARGV[2..3]  highest fence (epoch, counter) that the caller has seen of this license

local META, LEASES, HOLDER, QUEUE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local POLLED, TICKETS, RESERVED, OUTBOX, IDS = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local P = string.sub(META, 1, -5) -- "{lic:<id>}:"
local call = redis.call

local PURGE = 100
local GONE_MS = 3600000 -- how long it is remembered why a lease ended (best effort)
local TICKET_MS = 15000
local IDEMPOTENCY_MS = 86400000
local MAX_TTL_MS = 3600000

local T -- the terms of the license and its counters, once open
local now -- store time: never earlier than any that was seen before

local function int(number)
  return string.format('%.0f', number)
end

local function later(a, b)
  if a > b then return a end
  return b
end

local function sooner(a, b)
  if a < b then return a end
  return b
end

local function tick(highest)
  local time = call('TIME')
  now = later(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(highest or '0'))
end

-- Deletes nothing; but a server that was demoted under this connection refuses every write, and so
-- never answers from what it happens to have. Not where something is written anyway: a full server
-- refuses the first write of a script, and only if that one may need memory.
local function only_a_primary()
  call('HDEL', META, '')
end

-- Reads the terms. Gives an answer that ends the script if the store has to be restored first.
-- Nothing was changed by then.
local function open(looks_only)
  local m = call('HMGET', META, 'run', 'epoch', 'counter', 'clock', 'settling', 'version', 'org',
    'limit', 'overage', 'state', 'starts', 'expires', 'ttl', 'queue_limit')
  if not m[1] then
    only_a_primary()
    return { 'restore', 1 }
  end
  local epoch, counter = tonumber(m[2]), tonumber(m[3])
  local seen_epoch, seen_counter = tonumber(ARGV[2]), tonumber(ARGV[3])
  if m[1] ~= ARGV[1] or epoch < seen_epoch
    or (epoch == seen_epoch and counter < seen_counter) then
    only_a_primary()
    return { 'restore', 0 }
  end
  tick(m[4])
  T = {
    epoch = m[2], settling = tonumber(m[5]), version = tonumber(m[6]), org = m[7],
    limit = tonumber(m[8]), overage = tonumber(m[9]), state = m[10], starts = tonumber(m[11]),
    expires = tonumber(m[12]), ttl = tonumber(m[13]), queue_limit = tonumber(m[14]),
  }
  if looks_only then
    only_a_primary()
  else
    -- Also where the answer will be a no: what was found to have expired must stay so.
    call('HSET', META, 'clock', int(now))
  end
  return nil
end

-- Writes one entry of the outbox. Its id is <epoch>-<seq>, so the stream itself refuses an entry
-- that comes twice or too late.
local function change(kind, body)
  local seq = call('HINCRBY', META, 'seq', 1)
  call('XADD', OUTBOX, T.epoch .. '-' .. seq, 'kind', kind, 'at', int(now),
    'body', cjson.encode(body))
end

-- --- leases ---

-- A lease as it is stored, expired or not; nil if there is none.
local function load(id)
  local expires = call('ZSCORE', LEASES, id)
  if not expires then return nil end
  local h = call('HMGET', P .. 'lease:' .. id, 'holder', 'device', 'kind', 'epoch', 'counter',
    'granted', 'ttl', 'overage', 'burned', 'label', 'base', 'handed', 'proved')
  if not h[1] then
    -- Only while a cluster moves the slot key by key.
    error({ err = 'TRYAGAIN a part of the license is on another node' })
  end
  return {
    id = id, holder = h[1], device = h[2], kind = h[3], epoch = h[4], counter = h[5],
    granted = h[6], ttl = h[7], overage = h[8], burned = h[9], label = h[10], base = h[11],
    handed = h[12], proved = h[13], expires = tonumber(expires),
  }
end

local function live(id)
  local lease = id and load(id)
  if lease and lease.expires > now then return lease end
  return nil
end

local function fence_of(lease)
  return lease.epoch .. '.' .. lease.counter
end

local function raise_fence(lease)
  lease.epoch = T.epoch
  lease.counter = tostring(call('HINCRBY', META, 'counter', 1))
end

local function packed(lease)
  return { lease.id, lease.holder, lease.device, lease.kind, lease.epoch, lease.counter,
    lease.granted, int(lease.expires), lease.ttl, lease.overage, lease.burned, lease.label }
end

local function told(lease)
  return { lease = lease.id, holder = lease.holder, device = lease.device, kind = lease.kind,
    fence = fence_of(lease), granted_ms = tonumber(lease.granted), expires_ms = lease.expires,
    ttl_ms = tonumber(lease.ttl), overage = lease.overage == '1', label = lease.label }
end

local function reservation_of(lease)
  return string.match(lease.id, '^(.*)#')
end

local function keep(lease)
  call('ZADD', LEASES, int(lease.expires), lease.id)
  call('ZADD', IDS, 0, lease.id) -- all of one score: ordered by id, for those who list
  call('HSET', P .. 'lease:' .. lease.id, 'holder', lease.holder, 'device', lease.device,
    'kind', lease.kind, 'epoch', lease.epoch, 'counter', lease.counter,
    'granted', lease.granted, 'ttl', lease.ttl, 'overage', lease.overage,
    'burned', lease.burned, 'label', lease.label, 'base', lease.base or '',
    'handed', lease.handed or '', 'proved', lease.proved or '')
  if lease.kind == 'reserved' then
    call('ZADD', RESERVED, int(lease.expires), lease.id)
    call('ZADD', P .. 'rsv:' .. reservation_of(lease), int(lease.expires), lease.id)
  elseif lease.holder ~= '' and lease.burned ~= '1' then
    call('HSET', HOLDER, lease.holder, lease.id)
  end
end

local function drop(lease, why)
  call('ZREM', LEASES, lease.id)
  call('ZREM', IDS, lease.id)
  call('DEL', P .. 'lease:' .. lease.id)
  if lease.kind == 'reserved' then
    call('ZREM', RESERVED, lease.id)
    call('ZREM', P .. 'rsv:' .. reservation_of(lease), lease.id)
    return
  end
  if call('HGET', HOLDER, lease.holder) == lease.id then
    call('HDEL', HOLDER, lease.holder)
  end
  call('SET', P .. 'gone:' .. lease.id, why, 'PX', GONE_MS)
end

-- The rotating secrets of a lease: the one shown last (`base`) stays good until one of those that
-- were handed out in answer to it (`handed`, oldest first, at most 4) is shown: any of those answers
-- may have been lost or doubled.
local HANDED = 4

local function hand_out(lease, secret)
  if secret == '' then return end
  local all = {}
  for one in string.gmatch(lease.handed, '%S+') do
    if one == secret then return end
    all[#all + 1] = one
  end
  all[#all + 1] = secret
  if #all > HANDED then table.remove(all, 1) end
  lease.handed = table.concat(all, ' ')
end

-- Whether what is shown is good; if so, the next one is handed out.
local function show(lease, shown, secret)
  if lease.base == '' and lease.handed == '' then
    hand_out(lease, secret)
    return true
  end
  if shown == '' then return false end
  for one in string.gmatch(lease.handed, '%S+') do
    if one == shown then
      lease.base, lease.handed = shown, ''
      hand_out(lease, secret)
      return true
    end
  end
  if shown ~= lease.base then return false end
  hand_out(lease, secret)
  return true
end

local function keep_secrets(lease)
  call('HSET', P .. 'lease:' .. lease.id, 'base', lease.base, 'handed', lease.handed)
end

local function in_use()
  return call('ZCOUNT', LEASES, '(' .. int(now), '+inf')
end

local function free()
  return T.limit + T.overage - in_use()
end

-- --- the queue ---

local function leave_queue(ticket)
  call('ZREM', QUEUE, ticket)
  call('ZREM', POLLED, ticket)
  call('HDEL', TICKETS, ticket)
end

local function waiting()
  return call('ZCOUNT', POLLED, '(' .. int(now), '+inf')
end

-- 1 is the head; nil if the ticket is not in the queue, or was not polled in time.
local function position(ticket)
  local deadline = call('ZSCORE', POLLED, ticket)
  if not deadline or tonumber(deadline) <= now then return nil end
  local place = call('ZRANK', QUEUE, ticket) + 1
  local mine = tonumber(call('ZSCORE', QUEUE, ticket))
  for _, dead in ipairs(call('ZRANGEBYSCORE', POLLED, '-inf', int(now))) do
    if tonumber(call('ZSCORE', QUEUE, dead)) < mine then place = place - 1 end
  end
  return place
end

-- Takes away what has ended. What it leaves for the next time is counted by nobody.
local function purge()
  for _, id in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', int(now), 'LIMIT', 0, PURGE)) do
    local lease = load(id)
    drop(lease, 'expired')
    change('expired', told(lease))
  end
  for _, ticket in ipairs(call('ZRANGEBYSCORE', POLLED, '-inf', int(now), 'LIMIT', 0, PURGE)) do
    local holder = call('HGET', TICKETS, ticket)
    leave_queue(ticket)
    change('unqueued', { ticket = ticket, holder = holder or '', why = 'unpolled' })
  end
end

-- --- answers ---

local function seats()
  local first = call('ZRANGEBYSCORE', LEASES, '(' .. int(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local settling = T.settling > now and T.settling or 0
  return { T.limit, T.overage, in_use(), call('ZCOUNT', RESERVED, '(' .. int(now), '+inf'),
    waiting(), first[2] or '', T.epoch, int(settling) }
end

local function granted(lease, replayed, ended, counted)
  return { 'granted', int(now), packed(lease), replayed and 1 or 0, ended and 1 or 0,
    counted or false }
end

local function refused(code, counted, lease)
  return { 'refused', int(now), code, counted or false, lease and packed(lease) or false }
end

-- Why the license may not be used at all, or nil.
local function barred()
  if T.state == 'revoked' then return 'license-revoked' end
  if T.state == 'suspended' then return 'license-suspended' end
  if T.starts > 0 and now < T.starts then return 'license-not-started' end
  if T.expires > 0 and now >= T.expires then return 'license-expired' end
  return nil
end

-- Refusals that are data about demand; the others are about the caller.
local TOLD = { ['seats-exhausted'] = true, ['queue-full'] = true, ['license-revoked'] = true,
  ['license-suspended'] = true, ['license-not-started'] = true, ['license-expired'] = true }

local function deny(code, holder, label, lease)
  local counted = seats()
  if TOLD[code] then
    change('denied', { holder = holder, label = label, code = code, limit = counted[1],
      in_use = counted[3], queued = counted[5] })
  end
  return refused(code, counted, lease)
end

local function cut(expires)
  if T.expires > 0 then return sooner(expires, T.expires) end
  return expires
end

-- Writes newer terms; gives whether they were newer.
local function take_terms(first)
  local t = cjson.decode(ARGV[first])
  local known = call('HMGET', META, 'version', 'longest')
  if known[1] and t.version <= tonumber(known[1]) then return false end
  -- A lease keeps the life it was granted with, so settling has to outlast the longest.
  call('HSET', META, 'longest', int(later(t.ttl_ms, tonumber(known[2] or '0'))), 'version', int(t.version), 'org', t.org, 'limit', int(t.limit),
    'overage', int(t.overage), 'state', t.state, 'starts', int(t.starts_ms),
    'expires', int(t.expires_ms), 'ttl', int(t.ttl_ms), 'queue_limit', int(t.queue_limit))
  return true, t
end

local function tell_terms(t)
  change('policy_set', { version = t.version, limit = t.limit, overage = t.overage,
    state = t.state, starts_ms = t.starts_ms, expires_ms = t.expires_ms, ttl_ms = t.ttl_ms,
    queue_limit = t.queue_limit })
end
