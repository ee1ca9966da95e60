-- Make the next pending entries of a group our own, in the stream's order, whoever held them.
--
-- KEYS[1] stream  the partition's stream
-- KEYS[2] epoch   string: the epoch of the last take; the fence
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] group       text
-- ARGV[3] consumer    text: who gets them
-- ARGV[4] after       entry id: only entries after this one
-- ARGV[5] count       integer: at most so many
--
-- Reply: {{entry id, deliveries so far, {field, value, …} or nil if the entry was deleted}, …};
-- nil if the epoch has moved. A deleted entry is pending no more.
-- Errors: NOGROUP; READONLY and others that refuse writes.

local stream, epoch = KEYS[1], KEYS[2]
local held_epoch, group, consumer, after, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end

local claimed = {}
for _, pending in ipairs(redis.call('XPENDING', stream, group, '(' .. after, '+', count)) do
  local id, deliveries = pending[1], pending[4]
  -- JUSTID leaves the number of deliveries alone: it counts attempts, and this is none.
  redis.call('XCLAIM', stream, group, consumer, 0, id, 'JUSTID')
  local found = redis.call('XRANGE', stream, id, id)[1]
  claimed[#claimed + 1] = {id, deliveries, found and found[2] or false}
end
return claimed
