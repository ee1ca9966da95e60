-- Append a dead letter's message to the stream that it came from, and remove the letter.
--
-- KEYS[1] stream       the partition's stream
-- KEYS[2] dead         stream: the partition's dead letters
-- KEYS[3] generations  hash: how far the partition has followed resizes; may be absent
-- ARGV[1] id          entry id: of the dead letter
-- ARGV[2] generation  integer: of the layout by which the message belongs here
-- ARGV[3…] in turn: field, text; value, bytes: of the new entry
--
-- Reply: the new entry's id; an empty text if the letter is gone (it was replayed or purged before);
-- nil if the layout has changed since.
-- Errors: ERR if the stream is sealed; WRONGTYPE; OOM, READONLY and others that refuse writes, before
-- anything is written.

local stream, dead, generations = KEYS[1], KEYS[2], KEYS[3]
local id, generation = ARGV[1], ARGV[2]

-- What has been opened for a later generation may be another channel's home now.
if tonumber(redis.call('HGET', generations, 'unsealed') or '0') > tonumber(generation) then
  return nil
end
if #redis.call('XRANGE', dead, id, id) == 0 then
  return ''
end
local new_id = redis.call('XADD', stream, '*', unpack(ARGV, 3))
redis.call('XDEL', dead, id)
return new_id
