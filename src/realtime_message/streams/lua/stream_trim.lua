-- Remove entries that every consumer group has handled.
--
-- Those that are older than the retention go, and those that make the stream longer than it may be.
--
-- KEYS[1] stream  the partition's stream; may be absent
-- ARGV[1] retention_ms  integer, milliseconds: how long entries stay; younger ones go by length only
-- ARGV[2] max_length    integer: how long the stream may be; 0 for no limit
--
-- Reply: {the number of removed entries, 1 if more may go by length, else 0}.
-- Errors: WRONGTYPE; READONLY and others that refuse writes.

local stream = KEYS[1]
local retention_ms, max_length = tonumber(ARGV[1]), tonumber(ARGV[2])

-- To find where the surplus ends, its entries have to be read: not too many in one step, by number or
-- by size, and few at a time.
local MAX_STEP, MAX_BYTES, MAX_ROWS = 1000, 1000000, 16

local function is_before(a, b)
  local a_ms, a_number = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_number = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then
    return tonumber(a_ms) < tonumber(b_ms)
  end
  return tonumber(a_number) < tonumber(b_number)
end

if redis.call('EXISTS', stream) == 0 then
  return {0, 0}
end
local groups = redis.call('XINFO', 'GROUPS', stream)
if #groups == 0 then
  return {0, 0} -- nobody has handled anything
end

-- Everything before what a group needs may go. The last entry that a group has read is kept: that is
-- simpler than to name the one after it.
local needed
for _, flat in ipairs(groups) do
  local group = {}
  for i = 1, #flat, 2 do
    group[flat[i]] = flat[i + 1]
  end
  local first = group['last-delivered-id']
  if group['pending'] > 0 then
    local oldest = redis.call('XPENDING', stream, group['name'])[2]
    if is_before(oldest, first) then
      first = oldest
    end
  end
  if not needed or is_before(first, needed) then
    needed = first
  end
end

local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local bound = string.format('%.0f-0', math.max(0, now_ms - retention_ms))
if is_before(needed, bound) then
  bound = needed
end
-- `~` removes whole blocks, all of whose entries lie before the bound: cheap, and never too much.
local removed = redis.call('XTRIM', stream, 'MINID', '~', bound)

local surplus = redis.call('XLEN', stream) - max_length
if max_length == 0 or surplus <= 0 then
  return {removed, 0}
end
local step = math.min(surplus, MAX_STEP)
local first_kept
local passed, bytes, count = -1, 0, 1 -- the first one that is read is not passed yet
repeat
  local rows = redis.call('XRANGE', stream, first_kept and '(' .. first_kept or '-', '+',
    'COUNT', math.min(count, step - passed))
  for _, row in ipairs(rows) do
    for _, part in ipairs(row[2]) do
      bytes = bytes + #part
    end
  end
  passed, first_kept = passed + #rows, rows[#rows][1]
  count = math.min(2 * count, MAX_ROWS)
until passed == step or (passed > 0 and bytes > MAX_BYTES)
if is_before(needed, first_kept) then
  first_kept = needed
end
local beyond = redis.call('XTRIM', stream, 'MINID', first_kept)
local has_more = beyond == passed and surplus > passed
return {removed + beyond, has_more and 1 or 0}
