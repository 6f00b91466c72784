-- remove.lua: forget what is kept under each key.
-- KEYS      the results, or the size of a chord
-- returns   how many there were
return redis.call('DEL', unpack(KEYS))
