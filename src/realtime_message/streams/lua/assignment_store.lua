#!lua flags=allow-oom
-- Store an assignment, unless another one was stored since the one it was computed from.
--
-- KEYS[1] assignment  hash: partition number → member, and version; may be absent
-- ARGV[1] version  integer: of the assignment that the new one was computed from; 0 for none
-- ARGV[2…] in turn: partition, an integer; member, text
--
-- Reply: 1 if stored, under version + 1; 0 if another one came first.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local assignment = KEYS[1]
local version = ARGV[1]

if (redis.call('HGET', assignment, 'version') or '0') ~= version then
  return 0
end
local fields = {'version', string.format('%.0f', tonumber(version) + 1)}
for i = 2, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
redis.call('DEL', assignment)
redis.call('HSET', assignment, unpack(fields))
return 1
