-- get.lua: what is kept under each key.
-- KEYS      the results or groups
-- returns   their values in order, '' where there is none
local values = redis.call('MGET', unpack(KEYS))
for i = 1, #KEYS do values[i] = values[i] or '' end
return values
