-- finish.lua: the body was published: forget the chord, and remember for a while that it is done.
-- KEYS[1]   the claim
-- KEYS[2..] what is kept of the chord
-- ARGV[1]   the token of the claim
-- ARGV[2]   how long to remember, s
-- returns   1 done | 0 the claim is somebody else's; what is kept is left to run out
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'done', 'EX', ARGV[2])
redis.call('DEL', unpack(KEYS, 2))
return 1
