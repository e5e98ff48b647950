-- Grants a seat, or says why not.
-- ARGV: 4 lease, 5 holder, 6 device, 7 fingerprint, 8 ttl, 9 kind, 10 take_over, 11 ticket,
-- 12 wait, 13 reservation, 14 secret, 15 label. KEYS[10]: of the idempotency key, if there is one.
local must = open()
if must then return must end
local id, holder, device, fingerprint = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local asked_ttl, kind, take_over, ticket = tonumber(ARGV[8]), ARGV[9], ARGV[10] == '1', ARGV[11]
local BORROW_MS = 2592000000 -- 30 days: the longest a seat may be taken offline
local wait, reservation, secret, label = ARGV[12] == '1', ARGV[13], ARGV[14], ARGV[15]

if KEYS[10] then
  local before = call('GET', KEYS[10])
  before = before and cjson.decode(before)
  if before and before.epoch == T.epoch and before.at + IDEMPOTENCY_MS > now then
    if before.fingerprint ~= fingerprint then
      return deny('idempotency-key-reused')
    end
    local was = before.lease
    local lease = live(was[1])
    if lease and lease.epoch == was[5] and lease.counter == was[6] then
      -- The first answer may have been lost with its secret; this one's is as good.
      hand_out(lease, secret)
      keep_secrets(lease)
      return granted(lease, true)
    end
    -- It ended, or lives on in a newer incarnation that this caller is not.
    return { 'granted', int(now), was, 1, 1, false }
  end
end

purge()
local bar = barred()
if bar then return deny(bar, holder, label) end

local function life()
  if kind == 'borrowed' then
    return sooner(asked_ttl > 0 and asked_ttl or T.ttl, BORROW_MS)
  end
  local most = sooner(T.ttl, MAX_TTL_MS)
  return asked_ttl > 0 and sooner(asked_ttl, most) or most
end

local function new_lease(overage)
  local ttl = life()
  local lease = { id = id, holder = holder, device = device, kind = kind, granted = int(now),
    ttl = int(ttl), overage = overage and '1' or '0', burned = '0', label = label,
    handed = secret, expires = cut(now + ttl) }
  raise_fence(lease)
  return lease
end

-- What every seat that is taken brings along.
local function take(lease)
  keep(lease)
  if KEYS[10] then
    call('SET', KEYS[10], cjson.encode({ epoch = T.epoch, at = now, fingerprint = fingerprint,
      lease = packed(lease) }), 'PX', IDEMPOTENCY_MS)
  end
  if ticket ~= '' and call('HGET', TICKETS, ticket) == holder then leave_queue(ticket) end
end

local function taken_as()
  return kind == 'borrowed' and 'borrowed' or 'granted'
end

local own = live(call('HGET', HOLDER, holder))
if own then
  local moves = own.device ~= device
  if moves and (own.kind == 'borrowed' or not take_over) then
    -- Who works offline cannot be told that the seat moved.
    return deny('holder-has-seat', holder, label, own)
  end
  if own.kind == 'borrowed' then return granted(own, true) end
  if label == '' then label = own.label end
  local lease = new_lease(own.overage == '1')
  local body
  if moves then
    drop(own, 'released')
    body = told(lease)
    body.previous = own.id
  else
    -- A restart: its seat is counted already, so neither settling nor a full house matters.
    lease.id, lease.granted = own.id, own.granted
    body = told(lease)
    body.again = true
  end
  take(lease)
  change(moves and 'taken_over' or taken_as(), body)
  return granted(lease, not moves)
end

if T.settling > now then return deny('settling', holder, label) end

if reservation ~= '' then
  local kept = call('ZRANGEBYSCORE', P .. 'rsv:' .. reservation, '(' .. int(now), '+inf',
    'LIMIT', 0, 1)
  if not kept[1] then return deny('reservation-not-found', holder, label) end
  local seat = load(kept[1])
  drop(seat)
  local lease = new_lease(seat.overage == '1')
  take(lease)
  local body = told(lease)
  body.reservation, body.redeemed = reservation, seat.id
  change(taken_as(), body)
  return granted(lease)
end

local queued = waiting()
local place = ticket ~= '' and position(ticket) or nil
if place and call('HGET', TICKETS, ticket) ~= holder then
  return deny('ticket-not-found', holder, label)
end
-- Seats for those who wait come first: a ticket may take one of as many seats as stand at or before
-- its place; a newcomer only what is left when all who wait have theirs.
if (place or queued + 1) <= free() then
  local lease = new_lease(in_use() >= T.limit)
  take(lease)
  change(taken_as(), told(lease))
  return granted(lease, false, false, seats())
end
if not wait or ticket == '' then return deny('seats-exhausted', holder, label) end
if not place then
  if queued >= T.queue_limit then return deny('queue-full', holder, label) end
  -- A ticket that was not polled in time, and not purged yet, goes to the end.
  leave_queue(ticket)
  call('ZADD', QUEUE, call('HINCRBY', META, 'ticket', 1), ticket)
  call('HSET', TICKETS, ticket, holder)
  place = queued + 1
  change('queued', { ticket = ticket, holder = holder, position = place })
end
call('ZADD', POLLED, int(now + TICKET_MS), ticket)
return { 'queued', int(now), ticket, place, seats() }
