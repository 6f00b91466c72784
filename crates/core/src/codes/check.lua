-- check.lua: count a guess, then compare it. The one place where a code is found right, and only once.
-- KEYS[1]   hash of the verification
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   app; another app's verification is not found
-- ARGV[3..] the guess's MAC under each key that is still read
-- returns   {'approved', now, purpose, to, created, expires, resend, approved, left, delivery}
--           {'incorrect', left} | {'expired'} | {'consumed'} | {'exhausted'} | {'not_found'}
local now = now_ms(ARGV[1])
local app, mac, expires, approved, left =
  unpack(redis.call('HMGET', KEYS[1], 'app', 'mac', 'expires', 'approved', 'left'))
if not app or app ~= ARGV[2] then return { 'not_found' } end
if approved ~= '' then return { 'consumed' } end
if tonumber(expires) <= now then return { 'expired' } end
if tonumber(left) <= 0 then return { 'exhausted' } end
left = redis.call('HINCRBY', KEYS[1], 'left', -1)

-- Looks at every byte of every candidate, whatever the earlier ones were.
local equal = false
for i = 3, #ARGV do
  local difference = #ARGV[i] == #mac and 0 or 1
  for place = 1, #mac do
    difference = bit.bor(difference, bit.bxor(string.byte(mac, place), string.byte(ARGV[i], place) or 0))
  end
  equal = difference == 0 or equal
end
if not equal then return { 'incorrect', tostring(left) } end

redis.call('HSET', KEYS[1], 'approved', string.format('%.0f', now))
local answer = redis.call('HMGET', KEYS[1], 'purpose', 'to', 'created', 'expires', 'resend', 'approved', 'left', 'delivery')
table.insert(answer, 1, string.format('%.0f', now))
table.insert(answer, 1, 'approved')
return answer
