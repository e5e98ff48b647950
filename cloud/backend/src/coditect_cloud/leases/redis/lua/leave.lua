-- Leaves the queue. ARGV: 4 ticket.
local must = open()
if must then return must end
local place = position(ARGV[4])
if not place then return { 'count', 0 } end
local holder = call('HGET', TICKETS, ARGV[4])
leave_queue(ARGV[4])
change('unqueued', { ticket = ARGV[4], holder = holder or '', why = 'left' })
return { 'count', 1 }
