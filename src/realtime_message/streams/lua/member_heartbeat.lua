#!lua flags=allow-oom
-- Say that a member lives, forget those that do not, and show who is there and what is assigned.
--
-- The layout comes along: so all members see at the same moment how many partitions there are.
--
-- KEYS[1] members     sorted set: member by the end of its life, in milliseconds of the server
-- KEYS[2] assignment  hash: partition number → member, and version; may be absent
-- KEYS[3] layout      hash: partition_count, hash, and what resizes added; may be absent
-- ARGV[1] member  text: who says so
-- ARGV[2] ttl_ms  integer, milliseconds: for how long from now
--
-- Reply: {the live members, the assignment's fields and values in turn, those of the layout, the
-- server's time in milliseconds}.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local members, assignment, layout = KEYS[1], KEYS[2], KEYS[3]
local member, ttl_ms = ARGV[1], tonumber(ARGV[2])

local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', members, string.format('%.0f', now_ms + ttl_ms), member)
redis.call('ZREMRANGEBYSCORE', members, '-inf', string.format('%.0f', now_ms))
return {
  redis.call('ZRANGE', members, 0, -1),
  redis.call('HGETALL', assignment),
  redis.call('HGETALL', layout),
  string.format('%.0f', now_ms),
}
