-- peek.lua: the text of a picture that still waits, which goes on waiting.
-- KEYS[1]   hash of the picture
-- ARGV[1]   '' or the instant to use
-- returns   the sealed text, or nil
local sealed, expires = unpack(redis.call('HMGET', KEYS[1], 'sealed', 'expires'))
if not sealed or tonumber(expires) <= now_ms(ARGV[1]) then return nil end
return sealed
