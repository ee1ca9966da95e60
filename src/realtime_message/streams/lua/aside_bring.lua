#!lua flags=allow-oom
-- Take over entries that were set aside of a parked channel in the partition where it lived before.
--
-- KEYS[1] aside   stream: the channel's entries that were set aside, in its new partition
-- KEYS[2] epoch   string: the epoch of the last take of the new partition; the fence
-- KEYS[3] parked  sorted set: parked channels of the new partition
-- KEYS[4] notes   hash: channel → since when it is parked, and why
-- KEYS[5] tried   string: how often the first of the entries was tried
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] channel     text
-- ARGV[3] state       integer: 1 for parked, 2 for being resumed
-- ARGV[4] note        text: as it was noted before; may be empty
-- ARGV[5] attempts    text: as it was stored before; may be empty
-- ARGV[6…] in turn, for each entry in order: its entry id; how many parts its fields and values
-- have, an integer; these
--
-- An entry that is there already is passed over: the ids stay the same.
--
-- Reply: 1; nil if the epoch has moved.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local aside, epoch, parked, notes, tried = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local held_epoch, channel, state, note, attempts = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
redis.call('ZADD', parked, state, channel)
if note ~= '' then
  redis.call('HSET', notes, channel, note)
end
if attempts ~= '' then
  redis.call('SET', tried, attempts)
end
local i = 6
while i <= #ARGV do
  local id, parts = ARGV[i], tonumber(ARGV[i + 1])
  local fields = {unpack(ARGV, i + 2, i + 1 + parts)}
  local added = redis.pcall('XADD', aside, id, unpack(fields))
  if type(added) == 'table' and added.err and not string.find(added.err, 'equal or smaller', 1, true) then
    return added
  end
  i = i + 2 + parts
end
return 1
