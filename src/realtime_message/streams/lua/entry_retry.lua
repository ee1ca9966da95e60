-- Keep the number of attempts with a pending entry.
--
-- KEYS[1] stream  the partition's stream
-- KEYS[2] epoch   string: the epoch of the last take; the fence
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] group       text
-- ARGV[3] consumer    text: who holds the entry
-- ARGV[4] id          entry id
-- ARGV[5] deliveries  integer: the number to keep
--
-- Reply: 1 if kept, 0 if the entry is not pending or was deleted; nil if the epoch has moved.
-- Errors: NOGROUP; READONLY and others that refuse writes.

local stream, epoch = KEYS[1], KEYS[2]
local held_epoch, group, consumer, id, deliveries = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
return #redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', deliveries, 'JUSTID')
