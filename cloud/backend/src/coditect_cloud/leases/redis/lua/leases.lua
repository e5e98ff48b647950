-- Live leases ordered by id. ARGV: 4 the id to begin behind, 5 how many.
local must = open(true)
if must then return must end
local most = tonumber(ARGV[5])
local from = ARGV[4] == '' and '-' or '(' .. ARGV[4]
local found = {}
while #found < most do
  local ids = call('ZRANGEBYLEX', IDS, from, '+', 'LIMIT', 0, most)
  for _, id in ipairs(ids) do
    local lease = live(id)
    if lease and #found < most then found[#found + 1] = packed(lease) end
  end
  if #ids < most then break end
  from = '(' .. ids[#ids]
end
return { 'leases', found }
