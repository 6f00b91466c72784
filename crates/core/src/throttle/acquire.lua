-- acquire.lua: take one slot in every window of every subject, or none. Behind take_slot.lua.
-- KEYS      the keys of all subjects in order
-- ARGV[1]   '' or the instant to use
-- ARGV[2..] what take_slot reads of the subjects
-- returns   what take_slot does
return take_slot(now_ms(ARGV[1]), 1, 2)
