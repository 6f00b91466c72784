-- put.lua: keep the text of a picture, where there is room for it. The one place where pictures are counted.
-- KEYS[1]   hash of the picture
-- KEYS[2]   the ids of all pictures, sorted by when they run out
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   id
-- ARGV[3]   the sealed text
-- ARGV[4]   how long it waits, ms
-- ARGV[5]   how many may wait
-- returns   {1} kept | {0, wait_ms} when as many wait as may and this id is none of them
local now = now_ms(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) and not redis.call('ZSCORE', KEYS[2], ARGV[2]) then
  return { 0, redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2] - now }
end

local expires = string.format('%.0f', now + ARGV[4])
redis.call('HSET', KEYS[1], 'v', 1, 'sealed', ARGV[3], 'expires', expires)
redis.call('PEXPIREAT', KEYS[1], expires)
redis.call('ZADD', KEYS[2], expires, ARGV[2])
-- Another process may keep pictures for longer.
redis.call('PEXPIREAT', KEYS[2], redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2])
return { 1 }
