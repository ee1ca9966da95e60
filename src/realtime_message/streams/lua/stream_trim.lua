-- Remove entries that are older than the retention and that every consumer group has handled.
--
-- KEYS[1] stream  the partition's stream; may be absent
-- ARGV[1] retention_ms  integer, milliseconds: younger entries stay in any case
--
-- Reply: the number of removed entries.
-- Errors: WRONGTYPE; READONLY and others that refuse writes.

local stream = KEYS[1]
local retention_ms = tonumber(ARGV[1])

local function is_before(a, b)
  local a_ms, a_number = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_number = string.match(b, '^(%d+)-(%d+)$')
  if a_ms ~= b_ms then
    return tonumber(a_ms) < tonumber(b_ms)
  end
  return tonumber(a_number) < tonumber(b_number)
end

if redis.call('EXISTS', stream) == 0 then
  return 0
end
local groups = redis.call('XINFO', 'GROUPS', stream)
if #groups == 0 then
  return 0 -- nobody has handled anything
end

-- Everything before the bound may go. The last entry that a group has read is kept: that is simpler
-- than to name the one after it.
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local bound = string.format('%.0f-0', math.max(0, now_ms - retention_ms))
for _, flat in ipairs(groups) do
  local group = {}
  for i = 1, #flat, 2 do
    group[flat[i]] = flat[i + 1]
  end
  local needed = group['last-delivered-id']
  if group['pending'] > 0 then
    local oldest = redis.call('XPENDING', stream, group['name'])[2]
    if is_before(oldest, needed) then
      needed = oldest
    end
  end
  if is_before(needed, bound) then
    bound = needed
  end
end

-- `~` removes whole blocks, all of whose entries lie before the bound: cheap, and never too much.
return redis.call('XTRIM', stream, 'MINID', '~', bound)
