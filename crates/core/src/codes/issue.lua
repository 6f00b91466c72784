-- issue.lua: keep a new code and make it the newest of its number and purpose.
-- KEYS[1]       hash of the verification
-- KEYS[2]       the id of the newest verification of the number and purpose
-- ARGV[1..9]    id, app, purpose, masked number, MAC, created ms, expires ms, resend ms, guesses
-- ARGV[10]      when the record may be collected, ms
-- returns       nothing
local previous = redis.call('GET', KEYS[2])
redis.call('HSET', KEYS[1], 'v', 1, 'app', ARGV[2], 'purpose', ARGV[3], 'to', ARGV[4], 'mac', ARGV[5],
  'created', ARGV[6], 'expires', ARGV[7], 'resend', ARGV[8], 'left', ARGV[9], 'approved', '', 'delivery', 'queued',
  'previous', previous or '')
redis.call('PEXPIREAT', KEYS[1], ARGV[10])
redis.call('SET', KEYS[2], ARGV[1], 'PXAT', ARGV[10])
