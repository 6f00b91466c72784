-- claim.lua: ask for the turn to send a task.
-- KEYS[1]   hash of the send record
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   end of life in ms, or '' for first sight + ARGV[3]
-- ARGV[3]   window in ms
-- ARGV[4]   '1' when a call of unknown outcome may be made again
-- ARGV[5]   how often the task was replayed
-- ARGV[6]   starts without an end that make it poison
-- ARGV[7]   how long the record outlives its code, ms
-- ARGV[8]   how long a claim may take to begin before another takes it over, ms
-- returns   {'granted', fence, end} | {'sent'} | {'held', ms} | {'expired', end} | {'unknown'}
--           {'dead', reason, end} | {'poison', end}
local now = now_ms(ARGV[1])
local key = KEYS[1]
local state, ends, lease, starts, replays, reason, version =
  unpack(redis.call('HMGET', key, 'state', 'ends', 'lease', 'starts', 'replays', 'reason', 'v'))
-- What a later version has written is not understood here: its own workers go on with it.
if version and tonumber(version) > 1 then return { 'held', '10000' } end
local function text(number) return string.format('%.0f', number) end

if not state then
  ends = tonumber(ARGV[2]) or now + tonumber(ARGV[3])
  redis.call('HSET', key, 'v', 1, 'state', 'new', 'ends', text(ends), 'fence', 0, 'starts', 0, 'calls', 0,
    'replays', ARGV[5], 'first_seen', text(now))
  redis.call('PEXPIREAT', key, text(math.max(ends, now) + tonumber(ARGV[7])))
  state, starts, replays = 'new', 0, ARGV[5]
end
ends, starts = tonumber(ends), tonumber(starts)

if state == 'sent' then return { 'sent' } end
if state == 'unknown' and ARGV[4] ~= '1' then return { 'unknown' } end
if state == 'dead' then
  if tonumber(ARGV[5]) <= tonumber(replays) then return { 'dead', reason, text(ends) } end
  starts = 0
  redis.call('HSET', key, 'replays', ARGV[5], 'starts', 0)
end
if state == 'sending' then
  local left = tonumber(lease) - now
  if left > 0 then return { 'held', text(left) } end
  if ARGV[4] ~= '1' then
    redis.call('HSET', key, 'state', 'unknown', 'starts', 0)
    return { 'unknown' }
  end
end
if ends <= now then
  redis.call('HSET', key, 'state', 'expired')
  return { 'expired', text(ends) }
end
-- Copies of one message that are looked at together: one of them is about to begin, and none of the others is a start.
if state == 'claimed' then
  local left = (tonumber(lease) or 0) - now
  if left > 0 then return { 'held', text(left) } end
end
if starts >= tonumber(ARGV[6]) then
  redis.call('HSET', key, 'state', 'dead', 'reason', 'poison', 'starts', 0)
  return { 'poison', text(ends) }
end
redis.call('HSET', key, 'state', 'claimed', 'lease', text(now + tonumber(ARGV[8])))
redis.call('HINCRBY', key, 'starts', 1)
return { 'granted', text(redis.call('HINCRBY', key, 'fence', 1)), text(ends) }
