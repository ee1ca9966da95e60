-- Delete consumers of the workers' group that hold nothing: those of processes that ended.
--
-- A consumer without pending entries is only a name; reading makes it again.
--
-- KEYS[1] stream  the partition's stream
-- KEYS[2] epoch   string: the epoch of the last take; the fence
-- ARGV[1] held_epoch   integer: the epoch under which we hold the lease
-- ARGV[2] group        text
-- ARGV[3] consumer     text: our own
-- ARGV[4] is_leaving   integer: 1 if our own may go, too
-- ARGV[5] min_idle_ms  integer, milliseconds: others that did something more recently stay
-- ARGV[6] prefix       text: how the names of workers' consumers begin; others stay
--
-- Reply: how many were deleted; nil if the epoch has moved.
-- Errors: NOGROUP, no such key; READONLY and others that refuse writes.

local stream, epoch = KEYS[1], KEYS[2]
local held_epoch, group, own, is_leaving = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local min_idle_ms, prefix = tonumber(ARGV[5]), ARGV[6]

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end

local deleted = 0
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local consumer = {}
  for i = 1, #flat, 2 do
    consumer[flat[i]] = flat[i + 1]
  end
  local name = consumer['name']
  local may_go = consumer['idle'] >= min_idle_ms and string.sub(name, 1, #prefix) == prefix
  if name == own then
    may_go = is_leaving == '1'
  end
  if may_go and consumer['pending'] == 0 then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, name)
    deleted = deleted + 1
  end
end
return deleted
