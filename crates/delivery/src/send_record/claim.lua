-- claim.lua: ask for the turn to send a task; asked immediately before the first byte leaves.
-- KEYS[1]   hash of the send record
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   end of life in ms, or '' for first sight + ARGV[3]
-- ARGV[3]   window in ms
-- ARGV[4]   '1' when a call of unknown outcome may be made again
-- ARGV[5]   how often the task was replayed
-- ARGV[6]   starts without an end that make it poison
-- ARGV[7]   how long the record outlives its code, ms
-- ARGV[8]   how long the provider call may take before its worker is thought dead, ms
-- ARGV[9]   the mark by which take_back.lua knows this claim
-- returns   {'granted', fence, end, number of the call} | {'sent'} | {'held', ms} | {'expired', end} | {'unknown'}
--           {'dead', reason, end} | {'poison', end}
local now = now_ms(ARGV[1])
local key = KEYS[1]
local state, ends, lease, starts, fence, calls, replays, reason, version, void = unpack(redis.call('HMGET', key,
  'state', 'ends', 'lease', 'starts', 'fence', 'calls', 'replays', 'reason', 'v', 'void'))
-- What a later version has written is not understood here: its own workers go on with it.
if version and tonumber(version) > 1 then return { 'held', '10000' } end
-- It was taken back before it came; nobody hears this.
if void == ARGV[9] then return { 'held', ARGV[8] } end
local function text(number) return string.format('%.0f', number) end

-- Writes down that the provider is called now, with the fields of a new record behind it.
local function grant(...)
  fence, calls = text(tonumber(fence) + 1), text(tonumber(calls) + 1)
  redis.call('HSET', key, 'state', 'sending', 'lease', text(now + tonumber(ARGV[8])), 'mark', ARGV[9], 'fence', fence,
    'starts', starts + 1, 'calls', calls, ...)
  return { 'granted', fence, text(ends), calls }
end

if not state then
  ends, fence, starts, calls = tonumber(ARGV[2]) or now + tonumber(ARGV[3]), 0, 0, 0
  local answer
  if ends <= now then
    redis.call('HSET', key, 'v', 1, 'state', 'expired', 'ends', text(ends), 'fence', 0, 'starts', 0, 'calls', 0,
      'replays', ARGV[5], 'first_seen', text(now))
    answer = { 'expired', text(ends) }
  else
    answer = grant('v', 1, 'ends', text(ends), 'replays', ARGV[5], 'first_seen', text(now))
  end
  redis.call('PEXPIREAT', key, text(math.max(ends, now) + tonumber(ARGV[7])))
  return answer
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
-- Written by a release in which a claim was not yet the beginning of its call: a worker of that release may be about to
-- begin, until its lease is over.
if state == 'claimed' then
  local left = (tonumber(lease) or 0) - now
  if left > 0 then return { 'held', text(left) } end
end
if starts >= tonumber(ARGV[6]) then
  redis.call('HSET', key, 'state', 'dead', 'reason', 'poison', 'starts', 0)
  return { 'poison', text(ends) }
end
return grant()
