#!lua flags=allow-oom
-- Take a lease away from its holder; nobody holds the partition then.
--
-- KEYS[1] lease   hash: holder, epoch, acquired_at; may be absent
-- KEYS[2] epoch   string: the epoch of the last take; the fence
-- ARGV[1] seen_epoch  integer: the epoch under which the holder was seen to hold it
--
-- Reply: the new epoch, an integer, under which the former holder can neither read nor acknowledge;
-- nil if the partition changed hands since it was seen, or the lease ran out or was given back.
-- Errors: WRONGTYPE; READONLY and others that refuse writes, before anything is written.

local lease, epoch = KEYS[1], KEYS[2]
local seen_epoch = ARGV[1]

if redis.call('GET', epoch) ~= seen_epoch or redis.call('HGET', lease, 'epoch') ~= seen_epoch then
  return nil
end
-- As a take by somebody else, see lease_acquire. That it was not given back is what the next owner
-- must know: handlers may be at work on what is pending.
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local next_epoch = string.format('%.0f', math.max(now_us, tonumber(seen_epoch) + 1))
redis.call('SET', epoch, next_epoch)
redis.call('DEL', lease)
return tonumber(next_epoch)
