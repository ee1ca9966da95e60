#!lua flags=allow-oom
-- Take a resize one step further, unless another one did so since the layout was read.
--
-- KEYS[1] layout  hash: partition_count, hash, and what resizes added
-- ARGV[1] generation  integer: as it was read
-- ARGV[2] phase       text: as it was read
-- ARGV[3…] in turn: field, text; value, text
--
-- Reply: 1 if changed; 0 if the generation or the phase is another one by now.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local layout = KEYS[1]
local generation, phase = ARGV[1], ARGV[2]

if (redis.call('HGET', layout, 'generation') or '0') ~= generation
  or (redis.call('HGET', layout, 'phase') or 'stable') ~= phase then
  return 0
end
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', layout, 'touched_at', string.format('%.0f', now_ms), unpack(ARGV, 3))
return 1
