#!lua flags=allow-oom
-- Hold a channel back, or hold it back again while it is being resumed.
--
-- KEYS[1] parked  sorted set: parked channels, 1 for parked, 2 for being resumed; may be absent
-- KEYS[2] epoch   string: the epoch of the last take; the fence
-- KEYS[3] notes   hash: channel → since when (milliseconds since 1970), a space, why; may be absent
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] channel     text
-- ARGV[3] reason      text: why its message was given up
--
-- Reply: 1; nil if the epoch has moved.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local parked, epoch, notes = KEYS[1], KEYS[2], KEYS[3]
local held_epoch, channel, reason = ARGV[1], ARGV[2], ARGV[3]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', parked, 1, channel)
redis.call('HSET', notes, channel, string.format('%.0f ', now_ms) .. reason)
return 1
