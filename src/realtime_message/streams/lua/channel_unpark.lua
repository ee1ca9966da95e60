-- Let a parked channel go on, unless entries of it are still set aside.
--
-- KEYS[1] parked  sorted set: parked channels
-- KEYS[2] epoch   string: the epoch of the last take; the fence
-- KEYS[3] aside   stream: the channel's entries that were set aside; may be absent
-- KEYS[4] notes   hash: channel → since when and why; may be absent
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] channel     text
--
-- Reply: 1 if it goes on, 0 if there are entries left; nil if the epoch has moved.
-- Errors: WRONGTYPE; READONLY and others that refuse writes.

local parked, epoch, aside, notes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local held_epoch, channel = ARGV[1], ARGV[2]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
if redis.call('XLEN', aside) > 0 then
  return 0
end
redis.call('ZREM', parked, channel)
redis.call('DEL', aside)
redis.call('HDEL', notes, channel)
return 1
