-- note_delivery.lua: put in front of scripts that write down what became of an SMS. Nothing replaces 'sent'.
-- note_delivery(key, state) is 1, or 0 when there is no such verification.
local function note_delivery(key, state)
  local known = redis.call('HGET', key, 'delivery')
  if not known then return 0 end
  if known ~= 'sent' then redis.call('HSET', key, 'delivery', state) end
  return 1
end

