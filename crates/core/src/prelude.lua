-- prelude.lua: put in front of every script.
-- now_ms(given) is the present instant in ms since the Unix epoch: Redis TIME, so that many machines need not agree.
-- Tests pass their manual clock's instant as `given`; production passes ''.
local function now_ms(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

