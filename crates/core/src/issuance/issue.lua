-- issue.lua: take a slot for a send and keep its code, the newest of its number and purpose, or do neither. Behind
-- take_slot.lua.
-- KEYS[1]     hash of the verification
-- KEYS[2]     the id of the newest verification of the number and purpose
-- KEYS[3..]   the keys of all subjects in order
-- ARGV[1]     '' or the instant to use
-- ARGV[2..6]  id, app, purpose, masked number, MAC
-- ARGV[7..9]  ms until the code runs out, guesses, ms that the record can still be read after that
-- ARGV[10..]  what take_slot reads of the subjects
-- returns     what take_slot does
local now = now_ms(ARGV[1])
local slot = take_slot(now, 3, 10)
if slot[1] ~= 1 then return slot end

local expires = now + ARGV[7]
local forgotten = expires + ARGV[9]
local previous = redis.call('GET', KEYS[2])
redis.call('HSET', KEYS[1], 'v', 1, 'app', ARGV[3], 'purpose', ARGV[4], 'to', ARGV[5], 'mac', ARGV[6],
  'created', now, 'expires', expires, 'resend', slot[3], 'left', ARGV[8], 'approved', '', 'delivery', 'queued',
  'previous', previous or '')
redis.call('PEXPIREAT', KEYS[1], forgotten)
redis.call('SET', KEYS[2], ARGV[2], 'PXAT', forgotten)
return slot
