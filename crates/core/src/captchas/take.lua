-- take.lua: read the text of a picture and delete it, so that it is good for one try.
-- KEYS[1]   hash of the picture
-- KEYS[2]   the ids of all pictures, sorted by when they run out
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   id
-- returns   the sealed text, or nil when there was none or it had run out
local sealed, expires = unpack(redis.call('HMGET', KEYS[1], 'sealed', 'expires'))
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
if not sealed or tonumber(expires) <= now_ms(ARGV[1]) then return nil end
return sealed
