-- Append a dead letter's message to the stream that it came from, and remove the letter.
--
-- KEYS[1] stream  the partition's stream
-- KEYS[2] dead    stream: the partition's dead letters
-- ARGV[1] id   entry id: of the dead letter
-- ARGV[2…] in turn: field, text; value, bytes: of the new entry
--
-- Reply: the new entry's id; an empty text if the letter is gone (it was replayed or purged before).
-- Errors: WRONGTYPE; OOM, READONLY and others that refuse writes, before anything is written.

local stream, dead = KEYS[1], KEYS[2]
local id = ARGV[1]

if #redis.call('XRANGE', dead, id, id) == 0 then
  return ''
end
local new_id = redis.call('XADD', stream, '*', unpack(ARGV, 2))
redis.call('XDEL', dead, id)
return new_id
