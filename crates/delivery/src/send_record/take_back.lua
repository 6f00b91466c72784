-- take_back.lua: a claim whose answer never came is as if it had not been: its call was not made.
-- KEYS[1]   hash of the send record
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   the mark of the claim
-- ARGV[3]   how long a record lives that is there for this mark alone, ms
-- returns   1, or 0 when the claim is not there, and is void should it still come
local state, mark, starts, calls = unpack(redis.call('HMGET', KEYS[1], 'state', 'mark', 'starts', 'calls'))
if state == 'sending' and mark == ARGV[2] then
  redis.call('HSET', KEYS[1], 'state', 'waiting', 'starts', tonumber(starts) - 1, 'calls', tonumber(calls) - 1)
  return 1
end
redis.call('HSET', KEYS[1], 'void', ARGV[2])
if not state then
  redis.call('HSET', KEYS[1], 'v', 1)
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', now_ms(ARGV[1]) + tonumber(ARGV[3])))
end
return 0
