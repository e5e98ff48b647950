-- The oldest changes. ARGV: 4 how many. Runs whatever the server's run_id is: what stands in the
-- outbox happened, and belongs into the audit also while the store has to be restored.
local m = call('HMGET', META, 'org', 'epoch', 'clock', 'run')
if not m[1] then return { 'changes', '', {} } end
if m[4] == ARGV[1] then
  tick(m[3])
  T = { epoch = m[2] }
  call('HSET', META, 'clock', int(now))
  purge() -- nobody may ask for a seat for long, and yet the audit has to hear of what expired
end
return { 'changes', m[1], call('XRANGE', OUTBOX, '-', '+', 'COUNT', ARGV[4]) }
