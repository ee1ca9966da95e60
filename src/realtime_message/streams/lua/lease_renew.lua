#!lua flags=allow-oom
-- Move the expiry of a lease; bring it back if it ran out and nobody took it.
--
-- KEYS[1] lease   hash: holder, epoch, acquired_at, or released; may be absent
-- KEYS[2] epoch   string: the epoch of the last take
-- ARGV[1] holder       text: the member that holds it
-- ARGV[2] held_epoch   integer: the epoch under which it holds the lease
-- ARGV[3] duration_ms  integer, milliseconds from now
--
-- Reply: 1 if renewed; 0 if the partition was taken by anyone since, or the lease was released.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local lease, epoch = KEYS[1], KEYS[2]
local holder, held_epoch, duration_ms = ARGV[1], ARGV[2], ARGV[3]

if redis.call('GET', epoch) ~= held_epoch or redis.call('HGET', lease, 'released') == held_epoch then
  return 0
end
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSETNX', lease, 'acquired_at', string.format('%.0f', now_ms))
redis.call('HSET', lease, 'holder', holder, 'epoch', held_epoch)
redis.call('PEXPIRE', lease, duration_ms)
return 1
