-- Acknowledge entries and read new ones, for a server that takes no transaction.
--
-- The same as the transaction of the fence, which costs less. Redis 7.0 queues no command of a
-- transaction while it is over its maxmemory.
--
-- KEYS[1] stream  the partition's stream
-- KEYS[2] epoch   string: the epoch of the last take; the fence
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] group       text
-- ARGV[3] consumer    text: who reads
-- ARGV[4] count       integer: at most so many; 0 to read nothing
-- ARGV[5…] ids of entries that are done
--
-- Reply: {how many of them were pending, {{entry id, {field, value, …}}, …}}; nil if the epoch has
-- moved.
-- Errors: NOGROUP; READONLY and others that refuse writes.

local stream, epoch = KEYS[1], KEYS[2]
local held_epoch, group, consumer, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
local acknowledged = 0
for i = 5, #ARGV do
  acknowledged = acknowledged + redis.call('XACK', stream, group, ARGV[i])
end
local found = count ~= '0' and redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count,
  'STREAMS', stream, '>')
return {acknowledged, found and found[1][2] or {}}
