#!lua flags=allow-oom
-- Close a stream for appends, behind a marker that tells the next generation of the layout.
--
-- With the greatest possible id as its last one, a stream takes no further entry from anyone, while
-- reading, consumer groups and pending entries go on as ever.
--
-- KEYS[1] stream       the partition's stream; made with its group if absent
-- KEYS[2] generations  hash: how far the partition has followed resizes; may be absent
-- ARGV[1] generation  integer: which the marker tells
-- ARGV[2] group       text: the workers' consumer group
--
-- Reply: 1 if it is sealed for this generation, also from before; 0 if that generation was given up
-- or is over, in which case nothing is done.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local stream, generations = KEYS[1], KEYS[2]
local generation, group = ARGV[1], ARGV[2]
local greatest = '18446744073709551615-18446744073709551615'

if tonumber(redis.call('HGET', generations, 'unsealed') or '0') >= tonumber(generation) then
  return 0
end

local made = redis.pcall('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end

local info = {}
local flat = redis.call('XINFO', 'STREAM', stream)
for i = 1, #flat, 2 do
  info[flat[i]] = flat[i + 1]
end
local top = info['last-entry']
if not (top and #top[2] == 2 and top[2][1] == 'layout' and top[2][2] == generation) then
  if info['last-generated-id'] == greatest then
    -- Sealed by an earlier resize that let it fall away.
    redis.call('XSETID', stream, top and top[1] or info['max-deleted-entry-id'])
  end
  redis.call('XADD', stream, '*', 'layout', generation)
end
redis.call('XSETID', stream, greatest)
return 1
