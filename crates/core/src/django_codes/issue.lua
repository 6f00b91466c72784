-- issue.lua: write a code and its flag where Django reads them.
-- KEYS[1]   sms_<mobile>
-- KEYS[2]   send_flag_<mobile>
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   the code
-- ARGV[3]   how long it is good, ms
-- ARGV[4]   how long the number must wait, ms; 0 when it need not
-- returns   for each key what it held and until when, ms: '' and 0 for nothing, 0 for no end
local now, replaced = now_ms(ARGV[1]), {}
for place, key in ipairs(KEYS) do
  local left = redis.call('PTTL', key)
  replaced[2 * place - 1] = redis.call('GET', key) or ''
  replaced[2 * place] = left > 0 and string.format('%.0f', now + left) or '0'
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if tonumber(ARGV[4]) > 0 then redis.call('SET', KEYS[2], 1, 'PX', ARGV[4]) end
return replaced
