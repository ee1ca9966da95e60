#!lua flags=allow-oom
-- End a partition's part in a resize: open its stream for appends again, or leave it closed.
--
-- Whoever comes late with the same generation, or would seal for it, finds that it is over.
--
-- KEYS[1] stream       the partition's stream; may be absent
-- KEYS[2] generations  hash: how far the partition has followed resizes; may be absent
-- ARGV[1] generation  integer: that is over
-- ARGV[2] is_used     integer: 1 to open the stream, 0 if the partition is not used any more
--
-- Reply: 1; 0 if it was over before.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local stream, generations = KEYS[1], KEYS[2]
local generation, is_used = ARGV[1], ARGV[2]
local greatest = '18446744073709551615-18446744073709551615'

if tonumber(redis.call('HGET', generations, 'unsealed') or '0') >= tonumber(generation) then
  return 0
end
redis.call('HSET', generations, 'unsealed', generation)
if is_used == '1' and redis.call('EXISTS', stream) == 1 then
  local info = {}
  local flat = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #flat, 2 do
    info[flat[i]] = flat[i + 1]
  end
  if info['last-generated-id'] == greatest then
    local top = info['last-entry']
    redis.call('XSETID', stream, top and top[1] or info['max-deleted-entry-id'])
  end
end
return 1
