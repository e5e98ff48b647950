-- Forgets changes. ARGV: 4 the first id to be kept.
call('XTRIM', OUTBOX, 'MINID', ARGV[4])
return { 'count', 1 }
