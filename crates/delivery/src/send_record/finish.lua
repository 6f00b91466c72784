-- finish.lua: how a turn ended, and what its verification is told. Behind note_delivery.lua.
-- KEYS[1]   hash of the send record
-- KEYS[2]   hash of the verification, when it is told something
-- ARGV[1]   fence of the claim
-- ARGV[2]   sent | waiting | unknown | dead
-- ARGV[3]   the reason, for dead
-- ARGV[4]   what the verification is told
-- returns   1, or 0 when the fence has moved; the verification is told either way
if KEYS[2] then note_delivery(KEYS[2], ARGV[4]) end
local fence = redis.call('HGET', KEYS[1], 'fence')
if fence ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'reason', ARGV[3], 'starts', 0)
return 1
