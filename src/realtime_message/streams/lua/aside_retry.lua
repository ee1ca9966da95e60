#!lua flags=allow-oom
-- Keep the number of attempts of the first entry that is set aside of a parked channel.
--
-- KEYS[1] aside  stream: the channel's entries that were set aside
-- KEYS[2] epoch  string: the epoch of the last take; the fence
-- KEYS[3] tried  string: an entry id, a space, how often that entry was tried; may be absent
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] id          entry id, in the channel's own stream
-- ARGV[3] count       integer: the number to keep
--
-- Reply: 1 if kept, 0 if the entry was removed; nil if the epoch has moved.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local aside, epoch, tried = KEYS[1], KEYS[2], KEYS[3]
local held_epoch, id, count = ARGV[1], ARGV[2], ARGV[3]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
if #redis.call('XRANGE', aside, id, id) == 0 then
  return 0
end
redis.call('SET', tried, id .. ' ' .. count)
return 1
