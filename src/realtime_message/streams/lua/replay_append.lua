-- Append the message of another partition's dead letter, once.
--
-- The letter lies in another hash slot, so it cannot be removed in the same step. The mark tells
-- whoever comes before it is removed that it was appended.
--
-- KEYS[1] stream    the stream of the partition where the message's channel lives now
-- KEYS[2] replayed  hash: mark → id of the entry that was appended; may be absent
-- ARGV[1] mark  text: names the dead letter
-- ARGV[2…] in turn: field, text; value, bytes: of the new entry
--
-- Reply: the entry's id, of this append or of the one before.
-- Errors: WRONGTYPE; OOM, READONLY and others that refuse writes, before anything is written.

local stream, replayed = KEYS[1], KEYS[2]
local mark = ARGV[1]

local before = redis.call('HGET', replayed, mark)
if before then
  return before
end
local id = redis.call('XADD', stream, '*', unpack(ARGV, 2))
redis.call('HSET', replayed, mark, id)
return id
