-- part.lua: record the result of a member, once; the one that completes the chord claims the right to publish its body.
-- Members may be Python's: keys, values and steps are those of Celery 5.7 (celery/backends/redis.py). What differs is
-- that the token names the member: a member that comes again because its worker died with the claim gets it again.
-- KEYS[1]   .j: the results, sorted by the member's place
-- KEYS[2]   .t: what is added to the size
-- KEYS[3]   .s: the size
-- KEYS[4]   .d: which members have been recorded, as id:place
-- KEYS[5]   the group, kept where its header holds groups
-- KEYS[6]   .c: the token of the claim, then 'done'
-- ARGV[1]   the member's id
-- ARGV[2]   its result, JSON [1, id, state, result]
-- ARGV[3]   its place
-- ARGV[4]   how long the chord is kept, s; 0 for ever
-- ARGV[5]   how long the claim holds, s
-- ARGV[6]   the token
-- returns   {'done'} the body was published before | {'waiting'} | {'ready', group or '', result, result..}
local results, added, size, seen, group, claim = unpack(KEYS)
local holder = redis.call('GET', claim)
if holder == 'done' then return { 'done' } end

local member = ARGV[1] .. ':' .. ARGV[3]
if redis.call('SISMEMBER', seen, member) == 0 then
  redis.call('ZADD', results, ARGV[3], ARGV[2])
  redis.call('SADD', seen, member)
end
if ARGV[4] ~= '0' then
  for _, key in ipairs({ results, added, size, seen, group }) do redis.call('EXPIRE', key, ARGV[4]) end
end

local wanted = redis.call('GET', size)
if not wanted or redis.call('ZCARD', results) ~= wanted + (redis.call('GET', added) or 0) then return { 'waiting' } end
if holder and holder ~= ARGV[6] then return { 'waiting' } end
redis.call('SET', claim, ARGV[6], 'EX', ARGV[5])
local answer = redis.call('ZRANGE', results, 0, -1)
table.insert(answer, 1, redis.call('GET', group) or '')
table.insert(answer, 1, 'ready')
return answer
