#!lua flags=allow-oom
-- Move a pending entry to another stream and acknowledge it: to the dead letters, or aside.
--
-- KEYS[1] stream  the partition's stream
-- KEYS[2] epoch   string: the epoch of the last take; the fence
-- KEYS[3] target  stream: where it goes, such as the partition's dead letters; may be absent
-- ARGV[1] held_epoch  integer: the epoch under which we hold the lease
-- ARGV[2] group       text
-- ARGV[3] id          entry id
-- ARGV[4] payload     bytes: what to keep if the entry was deleted meanwhile
-- ARGV[5…] more        text: fields and values in turn, kept beside the entry and its id
--
-- Reply: its new id; an empty text if the entry is not pending (it was moved or acknowledged
-- before); nil if the epoch has moved.
-- Errors: NOGROUP; READONLY and others that refuse writes, before anything is written.

local stream, epoch, target = KEYS[1], KEYS[2], KEYS[3]
local held_epoch, group, id, payload = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

-- Lua cannot hand on more in one call. Nobody writes so many fields but by mistake.
local MAX_PARTS = 6000

-- What is kept of an entry's fields: the first ones and the payload.
local function shortened(fields)
  local kept = {}
  for i = 1, #fields, 2 do
    if #kept < MAX_PARTS - 2 or (#kept < MAX_PARTS and fields[i] == 'payload') then
      kept[#kept + 1] = fields[i]
      kept[#kept + 1] = fields[i + 1]
    end
  end
  kept[#kept + 1] = 'fields_left_out'
  kept[#kept + 1] = (#fields - #kept + 1) / 2
  return kept
end

if redis.call('GET', epoch) ~= held_epoch then
  return nil
end
if #redis.call('XPENDING', stream, group, id, id, 1) == 0 then
  return ''
end

-- The fields of the entry, in their order, then ours.
local found = redis.call('XRANGE', stream, id, id)[1]
local fields = found and found[2] or {'payload', payload}
if #fields > MAX_PARTS then
  fields = shortened(fields)
end
fields[#fields + 1] = 'entry_id'
fields[#fields + 1] = id
for i = 5, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
local new_id = redis.call('XADD', target, '*', unpack(fields))
redis.call('XACK', stream, group, id)
return new_id
