-- Store the layout of the streams at the first start; show the stored one at each.
--
-- KEYS[1] layout  hash: partition_count, hash; may be absent
-- ARGV[1] partition_count  integer
-- ARGV[2] hash             text: the name of the rule that finds a channel's partition
--
-- Reply: {the stored partition count, the stored hash name}.
-- Errors: WRONGTYPE; OOM, READONLY and others that refuse writes, before anything is written.

local layout = KEYS[1]
local partition_count, hash = ARGV[1], ARGV[2]

if redis.call('EXISTS', layout) == 0 then
  redis.call('HSET', layout, 'partition_count', partition_count, 'hash', hash)
end
return redis.call('HMGET', layout, 'partition_count', 'hash')
