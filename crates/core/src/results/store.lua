-- store.lua: keep what became of a task and tell it to whoever waits. A success is never overwritten.
-- KEYS[1]   the result; also the name of the channel
-- ARGV[1]   the result, JSON with the status first
-- ARGV[2]   how long it is kept, s; 0 for ever
-- ARGV[3]   '1' to write only where no worker has begun the task
-- returns   1 kept | 0 left as it was
local function status(stored)
  -- Celery writes the status first. Decoding a large result only to read it would hold up all others.
  local found = string.match(stored, '^{"status": ?"([^"]*)"')
  if found then return found end
  local readable, object = pcall(cjson.decode, stored)
  return readable and type(object) == 'table' and object.status or 'unknown'
end

local stored = redis.call('GET', KEYS[1])
if stored then
  local found = status(stored)
  if found == 'SUCCESS' then return 0 end
  local unstarted = found == 'PENDING' or found == 'RECEIVED' or found == 'RETRY' or found == 'REJECTED'
  if ARGV[3] == '1' and not unstarted then return 0 end
end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SETEX', KEYS[1], ARGV[2], ARGV[1])
end
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1
