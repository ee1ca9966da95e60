#!lua flags=allow-oom
-- Note that everything before a marker of a partition is handled and acknowledged.
--
-- KEYS[1] generations  hash: how far the partition has followed resizes; may be absent
-- KEYS[2] epoch        string: the epoch of the last take; the fence
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] generation  integer: which the marker tells
--
-- Reply: 1; nil if the epoch has moved.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local generations, epoch = KEYS[1], KEYS[2]
local held_epoch, generation = ARGV[1], ARGV[2]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
redis.call('HSET', generations, 'drained', generation)
return 1
