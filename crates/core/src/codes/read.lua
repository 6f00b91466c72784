-- read.lua: look at a verification without spending a guess.
-- KEYS[1]   hash of the verification
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   app; another app's verification is not found
-- returns   {now, purpose, to, created, expires, resend, approved, left, delivery} | {}
if redis.call('HGET', KEYS[1], 'app') ~= ARGV[2] then return {} end
local answer = redis.call('HMGET', KEYS[1], 'purpose', 'to', 'created', 'expires', 'resend', 'approved', 'left', 'delivery')
table.insert(answer, 1, string.format('%.0f', now_ms(ARGV[1])))
return answer
