-- release.lua: the body was not published: the next copy of any member may.
-- KEYS[1]   the claim
-- ARGV[1]   the token of the claim
-- returns   1 released | 0 the claim is somebody else's
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
