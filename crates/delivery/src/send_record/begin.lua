-- begin.lua: the provider is called now; asked immediately before the first byte leaves.
-- KEYS[1]   hash of the send record
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   fence of the claim
-- ARGV[3]   lease in ms
-- returns   the number of this call, from 1 | 0 expired | -1 the fence has moved
local now = now_ms(ARGV[1])
local state, fence, ends = unpack(redis.call('HMGET', KEYS[1], 'state', 'fence', 'ends'))
if state ~= 'claimed' or fence ~= ARGV[2] then return -1 end
if tonumber(ends) <= now then
  redis.call('HSET', KEYS[1], 'state', 'expired', 'starts', 0)
  return 0
end
redis.call('HSET', KEYS[1], 'state', 'sending', 'lease', string.format('%.0f', now + tonumber(ARGV[3])))
return redis.call('HINCRBY', KEYS[1], 'calls', 1)
