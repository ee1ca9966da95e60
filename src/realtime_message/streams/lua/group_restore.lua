#!lua flags=allow-oom
-- Make a lost consumer group again where it was, so that nothing is skipped and nothing repeated.
--
-- KEYS[1] stream  the partition's stream; may be absent
-- KEYS[2] epoch   string: the epoch of the last take; the fence
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] group       text
-- ARGV[3] consumer    text: who holds the pending entries
-- ARGV[4] position    entry id: up to where the group had read
-- ARGV[5…] ids of entries that were read up to there and are not acknowledged
--
-- Reply: the id after which the group reads now: the position, or 0-0 if the stream is another one
-- that has not come so far yet; nil if the epoch has moved.
-- Errors: WRONGTYPE; READONLY and others that refuse writes.

local stream, epoch = KEYS[1], KEYS[2]
local held_epoch, group, consumer, position = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end

local function parts(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(number)
end

-- A stream that was deleted and written anew from an earlier clock: its entries are all unread.
local start = '0-0'
if redis.call('EXISTS', stream) == 1 then
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      local last_ms, last_number = parts(info[i + 1])
      local ms, number = parts(position)
      if last_ms > ms or (last_ms == ms and last_number >= number) then
        start = position
      end
    end
  end
end

local made = redis.pcall('XGROUP', 'CREATE', stream, group, start, 'MKSTREAM')
if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end
if start == position then
  for i = 5, #ARGV do
    redis.call('XCLAIM', stream, group, consumer, 0, ARGV[i], 'FORCE', 'JUSTID')
  end
end
return start
