-- save.lua: keep a group by the ids of its members.
-- KEYS[1]   the group
-- ARGV[1]   the group, JSON
-- ARGV[2]   how long it is kept, s; 0 for ever
-- returns   nothing
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
