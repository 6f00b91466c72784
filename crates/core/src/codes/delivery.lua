-- delivery.lua: write down what became of an SMS. Behind note_delivery.lua.
-- KEYS[1]   hash of the verification
-- ARGV[1]   queued | sent | failed | expired | unknown
-- returns   1, or 0 when there is no such verification
return note_delivery(KEYS[1], ARGV[1])
