-- grow.lua: make a chord wait for one more member than its size says.
-- KEYS[1]   what is added to the size
-- returns   nothing
redis.call('INCR', KEYS[1])
