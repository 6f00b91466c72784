-- delivery.lua: write down what became of the SMS. Nothing replaces 'sent'.
-- KEYS[1]   hash of the verification
-- ARGV[1]   queued | sent | failed | expired | unknown
-- returns   1, or 0 when there is no such verification
local known = redis.call('HGET', KEYS[1], 'delivery')
if not known then return 0 end
if known ~= 'sent' then redis.call('HSET', KEYS[1], 'delivery', ARGV[1]) end
return 1
