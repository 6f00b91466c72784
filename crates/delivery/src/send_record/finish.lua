-- finish.lua: how a turn ended.
-- KEYS[1]   hash of the send record
-- ARGV[1]   fence of the claim
-- ARGV[2]   sent | waiting | unknown | dead
-- ARGV[3]   the reason, for dead
-- returns   1, or 0 when the fence has moved
local fence = redis.call('HGET', KEYS[1], 'fence')
if fence ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'reason', ARGV[3], 'starts', 0)
return 1
