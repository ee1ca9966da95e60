#!lua flags=allow-oom
-- Remove an entry that was set aside, once it is done with, and keep it as a dead letter if asked.
--
-- Entries of a parked channel are done with in their order, so everything before it is gone too.
--
-- KEYS[1] aside  stream: the channel's entries that were set aside
-- KEYS[2] epoch  string: the epoch of the last take; the fence
-- KEYS[3] dead   stream: the partition's dead letters
-- KEYS[4] tried  string: how often the first of the entries was tried; may be absent
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] id          entry id, in the channel's own stream
-- ARGV[3] next_id     entry id: the one right after it
-- ARGV[4] reason      text: which rule gave it up; empty if it was handled
-- ARGV[5] error       text: what went wrong at the last attempt
-- ARGV[6] attempts    integer: how many there were
-- ARGV[7] worker      text: who gave it up
--
-- Reply: 1 if it was there, 0 if it was removed before; nil if the epoch has moved.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local aside, epoch, dead, tried = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local held_epoch, id, next_id = ARGV[1], ARGV[2], ARGV[3]
local reason, error_text, attempts, worker = ARGV[4], ARGV[5], ARGV[6], ARGV[7]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
local found = redis.call('XRANGE', aside, id, id)[1]
if not found then
  return 0
end
if reason ~= '' then
  local fields = found[2]
  for _, part in ipairs({'reason', reason, 'error', error_text, 'attempts', attempts,
    'worker', worker}) do
    fields[#fields + 1] = part
  end
  redis.call('XADD', dead, '*', unpack(fields))
end
redis.call('XTRIM', aside, 'MINID', next_id)
redis.call('DEL', tried)
return 1
