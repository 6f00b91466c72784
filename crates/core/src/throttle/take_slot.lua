-- take_slot.lua: put in front of scripts that send: takes one slot in every window of every subject, or none.
-- A subject is a number or an address. Its send times are one packed value: a version byte, then 8 bytes each. It may
-- have several keys (one a MAC key that is still read); all are counted, the first is written.
-- take_slot(now, key, at): the subjects' keys begin at KEYS[key], what is said of them at ARGV[at]: count of subjects;
-- then for each: count of keys, count of windows, and for each window its ms and maximum. It is
--           {1, now, next} granted; `next` is when subject 1 may send again
--           {0, subject, window, wait_ms} denied by the window with the longest wait
--           an error, and nothing taken, where a later version has written a key
local function take_slot(now, key, at)
  local function argument() at = at + 1; return tonumber(ARGV[at - 1]) end
  local subjects, worst = {}, nil

  for s = 1, argument() do
    local keys, windows = argument(), argument()
    local subject = { key = KEYS[key], own = {}, all = {}, windows = {}, longest = 0 }
    for k = 1, keys do
      local packed = redis.call('GET', KEYS[key])
      if packed then
        -- Send times that cannot be read must not be none: the limit would not hold.
        if string.byte(packed) ~= 1 then return redis.error_reply('ERR a newer version has written ' .. KEYS[key]) end
        for offset = 2, #packed, 8 do
          local sent = struct.unpack('>I8', packed, offset)
          subject.all[#subject.all + 1] = sent
          if k == 1 then subject.own[#subject.own + 1] = sent end
        end
      end
      key = key + 1
    end
    table.sort(subject.all)
    for w = 1, windows do
      local length, maximum = argument(), argument()
      subject.windows[w] = { length = length, maximum = maximum }
      subject.longest = math.max(subject.longest, length)
      -- The maximum-th newest send is the one that must leave the window first.
      local blocking = subject.all[#subject.all - maximum + 1]
      if blocking and blocking > now - length then
        local wait = blocking + length - now
        if not worst or wait > worst[4] then worst = { 0, s, w, wait } end
      end
    end
    subjects[s] = subject
  end
  if worst then return worst end

  for _, subject in ipairs(subjects) do
    local packed = { '\1' }
    for _, sent in ipairs(subject.own) do
      if sent > now - subject.longest then packed[#packed + 1] = struct.pack('>I8', sent) end
    end
    packed[#packed + 1] = struct.pack('>I8', now)
    redis.call('SET', subject.key, table.concat(packed), 'PX', subject.longest)
  end

  local first, next_send = subjects[1], now
  first.all[#first.all + 1] = now
  for _, window in ipairs(first.windows) do
    local blocking = first.all[#first.all - window.maximum + 1]
    if blocking then next_send = math.max(next_send, blocking + window.length) end
  end
  return { 1, now, next_send }
end

