-- Append an entry unless the same client message was appended within its window.
--
-- KEYS[1] stream   the partition's stream
-- KEYS[2] dedup    string: what the first append of this client message stored; may be absent
-- ARGV[1] payload    bytes: the entry's payload field
-- ARGV[2] reply      bytes: kept for resends
-- ARGV[3] window_ms  integer, milliseconds: how long it is kept
-- ARGV[4…] in turn: field, value, text: of the entry, after its payload
--
-- Reply: the new entry's id; for a resend {id of the first entry, reply kept with it}.
-- Errors: WRONGTYPE; OOM, READONLY and others that refuse writes, before anything is written.

local stream, dedup = KEYS[1], KEYS[2]
local payload, reply, window_ms = ARGV[1], ARGV[2], ARGV[3]

local stored = redis.call('GET', dedup)
if stored then
  -- A write that changes nothing (the clock stands still in a script). WAIT and WAITAOF wait for the
  -- last write of their own connection, and would not wait for the first append without one.
  redis.call('PEXPIRE', dedup, math.max(1, redis.call('PTTL', dedup)))
  local space = string.find(stored, ' ', 1, true)
  return {string.sub(stored, 1, space - 1), string.sub(stored, space + 1)}
end

local id = redis.call('XADD', stream, '*', 'payload', payload, unpack(ARGV, 4))
redis.call('SET', dedup, id .. ' ' .. reply, 'PX', window_ms)
return id
