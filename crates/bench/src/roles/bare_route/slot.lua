-- bare_route.lua: what a request for a code must write at the least, in one step: a slot for the number, the code.
-- KEYS      the number's slot, the verification, the newest of the number and purpose
-- ARGV      the verification's id, then the fields and values of its record
-- returns   1, or 0 where the slot is taken
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', 60000) then return 0 end
local record = {}
for i = 2, #ARGV do record[#record + 1] = ARGV[i] end
redis.call('HSET', KEYS[2], unpack(record))
redis.call('PEXPIRE', KEYS[2], 300000)
redis.call('SET', KEYS[3], ARGV[1], 'PX', 300000)
return 1
