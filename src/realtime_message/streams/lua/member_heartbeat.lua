-- Say that a member lives, forget those that do not, and show who is there and what is assigned.
--
-- KEYS[1] members     sorted set: member by the end of its life, in milliseconds of the server
-- KEYS[2] assignment  hash: partition number → member, and version; may be absent
-- ARGV[1] member  text: who says so
-- ARGV[2] ttl_ms  integer, milliseconds: for how long from now
--
-- Reply: {the live members, the assignment's fields and values in turn}.
-- Errors: WRONGTYPE; OOM, READONLY and others that refuse writes, before anything is written.

local members, assignment = KEYS[1], KEYS[2]
local member, ttl_ms = ARGV[1], tonumber(ARGV[2])

local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', members, string.format('%.0f', now_ms + ttl_ms), member)
redis.call('ZREMRANGEBYSCORE', members, '-inf', string.format('%.0f', now_ms))
return {redis.call('ZRANGE', members, 0, -1), redis.call('HGETALL', assignment)}
