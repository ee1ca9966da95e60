#!lua flags=allow-oom
-- Give a lease back, so that others need not wait for it to run out.
--
-- KEYS[1] lease   hash: holder, epoch, acquired_at; may be absent
-- KEYS[2] epoch   string: the epoch of the last take
-- ARGV[1] holder      text: the member that gives it back
-- ARGV[2] held_epoch  integer: the epoch under which it holds the lease
--
-- Reply: 1 if it was held under this epoch (also if it had just run out), else 0.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local lease, epoch = KEYS[1], KEYS[2]
local holder, held_epoch = ARGV[1], ARGV[2]

if redis.call('GET', epoch) ~= held_epoch then
  return 0
end
local current = redis.call('HGET', lease, 'holder')
if current and current ~= holder then
  return 0
end
redis.call('DEL', lease)
-- Remembered until the next take: a renewal that is still on its way must not bring it back.
redis.call('HSET', lease, 'released', held_epoch)
return 1
