-- Take the lease of a partition that nobody else holds.
--
-- KEYS[1] lease   hash: holder, epoch, acquired_at; expires with the lease
-- KEYS[2] epoch   string: the epoch of the last take; may be absent
-- ARGV[1] holder       text: the member that takes it
-- ARGV[2] duration_ms  integer, milliseconds
--
-- Reply: the new epoch, an integer; nil while another member holds the lease.
-- Errors: WRONGTYPE; OOM, READONLY and others that refuse writes, before anything is written.

local lease, epoch = KEYS[1], KEYS[2]
local holder, duration_ms = ARGV[1], ARGV[2]

local current = redis.call('HGET', lease, 'holder')
if current and current ~= holder then
  return nil
end

-- The time in microseconds, but always more than the last one. A plain counter would give an epoch
-- out twice after the server lost its last writes, or all of them: then an owner from before could
-- pass for the new one.
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = tonumber(redis.call('GET', epoch) or '0')
local next_epoch = string.format('%.0f', math.max(now_us, last + 1))

redis.call('SET', epoch, next_epoch)
redis.call('DEL', lease)
redis.call('HSET', lease, 'holder', holder, 'epoch', next_epoch,
  'acquired_at', string.format('%.0f', math.floor(now_us / 1000)))
redis.call('PEXPIRE', lease, duration_ms)
return tonumber(next_epoch)
