#!lua flags=allow-oom
-- Take the lease of a partition that nobody else holds.
--
-- KEYS[1] lease   hash: holder, epoch, acquired_at, or released; expires with the lease
-- KEYS[2] epoch   string: the epoch of the last take; may be absent
-- ARGV[1] holder       text: the member that takes it
-- ARGV[2] duration_ms  integer, milliseconds
--
-- Reply: {the new epoch, 1 if the last holder gave the lease back in order or there was none, else
-- 0}, integers; nil while another member holds the lease.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

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
local last = redis.call('GET', epoch)
local next_epoch = string.format('%.0f', math.max(now_us, tonumber(last or '0') + 1))
local is_handed_over = redis.call('HGET', lease, 'released') == last

redis.call('SET', epoch, next_epoch)
redis.call('DEL', lease)
redis.call('HSET', lease, 'holder', holder, 'epoch', next_epoch,
  'acquired_at', string.format('%.0f', math.floor(now_us / 1000)))
redis.call('PEXPIRE', lease, duration_ms)
return {tonumber(next_epoch), is_handed_over and 1 or 0}
