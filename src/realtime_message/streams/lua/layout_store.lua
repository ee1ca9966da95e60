-- Store the layout of the streams at the first start; show the stored one.
--
-- KEYS[1] layout  hash: partition_count, hash, and what resizes added; may be absent
-- ARGV[1] partition_count  integer: 0 to store nothing
-- ARGV[2] hash             text: the name of the rule that finds a channel's partition
--
-- Reply: {the hash's fields and values in turn, the server's time in milliseconds}.
-- Errors: WRONGTYPE; OOM, READONLY and others that refuse writes, before anything is written.

local layout = KEYS[1]
local partition_count, hash = ARGV[1], ARGV[2]

if partition_count ~= '0' and redis.call('EXISTS', layout) == 0 then
  redis.call('HSET', layout, 'partition_count', partition_count, 'hash', hash)
end
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return {redis.call('HGETALL', layout), string.format('%.0f', now_ms)}
