-- size.lua: say how many members a chord waits for. A chord that is applied again is a new one.
-- KEYS[1]   the claim
-- KEYS[2]   the size
-- ARGV[1]   how many members
-- ARGV[2]   how long it is kept, s; 0 for ever
-- returns   nothing
redis.call('DEL', KEYS[1])
if ARGV[2] == '0' then
  redis.call('SET', KEYS[2], ARGV[1])
else
  redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
end
