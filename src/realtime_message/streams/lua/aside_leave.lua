-- Forget a parked channel, with what was set aside of it, after its new partition has all of it.
--
-- KEYS[1] aside        stream: the channel's entries that were set aside
-- KEYS[2] parked       sorted set: parked channels of the partition where it lived before
-- KEYS[3] generations  hash: how far that partition has followed resizes
-- KEYS[4] notes        hash: channel → since when it is parked, and why
-- KEYS[5] tried        string: how often the first of the entries was tried
-- ARGV[1] channel     text
-- ARGV[2] state       integer: as it was taken over
-- ARGV[3] generation  integer: of the resize that moves it
--
-- Reply: 1 if it is forgotten, also from before; 0 if its state has changed since, or the partition
-- takes part in a later resize.
-- Errors: WRONGTYPE; READONLY and others that refuse writes.

local aside, parked, generations, notes, tried = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local channel, state, generation = ARGV[1], ARGV[2], ARGV[3]

if redis.call('HGET', generations, 'drained') ~= generation then
  return 0
end
local stored = redis.call('ZSCORE', parked, channel)
if stored and tonumber(stored) ~= tonumber(state) then
  return 0
end
redis.call('ZREM', parked, channel)
redis.call('HDEL', notes, channel)
redis.call('DEL', aside)
redis.call('DEL', tried)
return 1
