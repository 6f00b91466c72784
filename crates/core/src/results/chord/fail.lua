-- fail.lua: the chord has failed: without its size, no copy of a member fails it again. The results run out by themselves.
-- KEYS[1]   the claim
-- KEYS[2]   the size
-- ARGV[1]   the token of the claim
-- returns   1 done | 0 the claim is somebody else's
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
return 1
