-- latest.lua: the newest verification of a number and purpose.
-- KEYS      its key under each MAC key that is still read
-- returns   the id, or nil
for _, key in ipairs(KEYS) do
  local id = redis.call('GET', key)
  if id then return id end
end
return nil
