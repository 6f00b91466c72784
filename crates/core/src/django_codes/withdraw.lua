-- withdraw.lua: take a code and its flag back and put in place what they had replaced, if the code is still this one.
-- KEYS[1]   sms_<mobile>
-- KEYS[2]   send_flag_<mobile>
-- ARGV[1]   '' or the instant to use
-- ARGV[2]   the code
-- ARGV[3..] what issue.lua returned; nothing when its answer never came, and then both are taken out
-- returns   nothing
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return end
local now = now_ms(ARGV[1])
for place, key in ipairs(KEYS) do
  local value, ends = ARGV[2 * place + 1] or '', tonumber(ARGV[2 * place + 2] or '0')
  redis.call('DEL', key)
  if value ~= '' and (ends == 0 or ends > now) then
    redis.call('SET', key, value)
    if ends > 0 then redis.call('PEXPIREAT', key, ARGV[2 * place + 2]) end
  end
end
