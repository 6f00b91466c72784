-- withdraw.lua: take a code back as if it had never been issued; the one before it is the newest again.
-- KEYS[1]   hash of the verification
-- KEYS[2]   the id of the newest verification of the number and purpose
-- ARGV[1]   id
-- returns   nothing
local previous = redis.call('HGET', KEYS[1], 'previous')
if not previous then return end
redis.call('DEL', KEYS[1])
if redis.call('GET', KEYS[2]) == ARGV[1] then
  if previous == '' then redis.call('DEL', KEYS[2]) else redis.call('SET', KEYS[2], previous, 'KEEPTTL') end
end
