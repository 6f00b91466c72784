-- release.lua: give the slots of one grant back, all that still count or none.
-- An address may hold another number's send of the same instant: a grant that was given back before is told from it by
-- the subject that does not hold the instant any more.
-- KEYS      the written key of each subject
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   the instant of the grant, ms
-- ARGV[3..] the longest window of each subject, ms
-- returns   1, or 0 when it was given back before or has left all windows
local now, at = now_ms(ARGV[1]), tonumber(ARGV[2])
local taken, rests = struct.pack('>I8', at), {}

for s, key in ipairs(KEYS) do
  if at > now - tonumber(ARGV[2 + s]) then
    local packed, rest = redis.call('GET', key), nil
    for offset = 2, packed and string.byte(packed) == 1 and #packed or 0, 8 do
      if string.sub(packed, offset, offset + 7) == taken then
        rest = string.sub(packed, 1, offset - 1) .. string.sub(packed, offset + 8)
        break
      end
    end
    if not rest then return 0 end
    rests[#rests + 1] = { key = key, packed = rest }
  end
end

for _, rest in ipairs(rests) do
  if #rest.packed == 1 then redis.call('DEL', rest.key) else redis.call('SET', rest.key, rest.packed, 'KEEPTTL') end
end
return #rests > 0 and 1 or 0
