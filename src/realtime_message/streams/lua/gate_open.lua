#!lua flags=allow-oom
-- Let a partition go on behind a marker: note it, and acknowledge the marker.
--
-- KEYS[1] stream       the partition's stream
-- KEYS[2] epoch        string: the epoch of the last take; the fence
-- KEYS[3] generations  hash: how far the partition has followed resizes
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] group       text
-- ARGV[3] id          entry id of the marker
-- ARGV[4] generation  integer: which the marker tells
--
-- Reply: 1; nil if the epoch has moved.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local stream, epoch, generations = KEYS[1], KEYS[2], KEYS[3]
local held_epoch, group, id, generation = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
redis.call('HSET', generations, 'opened', generation)
redis.call('XACK', stream, group, id)
return 1
