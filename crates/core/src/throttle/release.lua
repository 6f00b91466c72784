-- release.lua: give back the slot that was taken at an instant, once.
-- KEYS      the written key of each subject
-- ARGV[1]   the instant of the grant, ms
-- returns   how many keys held it
local taken, released = struct.pack('>I8', ARGV[1]), 0
for _, key in ipairs(KEYS) do
  local packed = redis.call('GET', key)
  for offset = 2, packed and #packed or 0, 8 do
    if string.sub(packed, offset, offset + 7) == taken then
      local rest = string.sub(packed, 1, offset - 1) .. string.sub(packed, offset + 8)
      if #rest == 1 then redis.call('DEL', key) else redis.call('SET', key, rest, 'KEEPTTL') end
      released = released + 1
      break
    end
  end
end
return released
