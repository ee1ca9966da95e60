-- Hold a channel back, or hold it back again while it is being resumed.
--
-- KEYS[1] parked  sorted set: parked channels, 1 for parked, 2 for being resumed; may be absent
-- KEYS[2] epoch   string: the epoch of the last take; the fence
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] channel     text
--
-- Reply: 1; nil if the epoch has moved.
-- Errors: WRONGTYPE; OOM, READONLY and others that refuse writes, before anything is written.

local parked, epoch = KEYS[1], KEYS[2]
local held_epoch, channel = ARGV[1], ARGV[2]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
redis.call('ZADD', parked, 1, channel)
return 1
