-- Append the message of another partition's dead letter, once.
--
-- The letter lies in another hash slot, so it cannot be removed in the same step. The mark tells
-- whoever comes before it is removed that it was appended.
--
-- KEYS[1] stream       the stream of the partition where the message's channel lives now
-- KEYS[2] replayed     hash: mark → id of the entry that was appended; may be absent
-- KEYS[3] generations  hash: how far the partition has followed resizes; may be absent
-- ARGV[1] mark        text: names the dead letter
-- ARGV[2] generation  integer: of the layout by which the message belongs here
-- ARGV[3…] in turn: field, text; value, bytes: of the new entry
--
-- Reply: the entry's id, of this append or of the one before; nil if the layout has changed since.
-- Errors: ERR if the stream is sealed; WRONGTYPE; OOM, READONLY and others that refuse writes, before
-- anything is written.

local stream, replayed, generations = KEYS[1], KEYS[2], KEYS[3]
local mark, generation = ARGV[1], ARGV[2]

local before = redis.call('HGET', replayed, mark)
if before then
  return before
end
if tonumber(redis.call('HGET', generations, 'unsealed') or '0') > tonumber(generation) then
  return nil
end
local id = redis.call('XADD', stream, '*', unpack(ARGV, 3))
redis.call('HSET', replayed, mark, id)
return id
