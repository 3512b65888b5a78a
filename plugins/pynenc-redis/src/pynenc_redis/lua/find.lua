-- A page of the records in an index, in the order of score and key.
--
-- KEYS[1]: the index, KEYS[2]: what the keys of its records begin with. ARGV[1]: a MessagePack array
-- {low, high, descending, limit, order after, key after, fields}, false where there is none;
-- `low` is inclusive, `high` exclusive.
-- Returns MessagePack: {key, value...} for each record, false for a field without a value.

local index, begin = KEYS[1], KEYS[2]
local low, high, descending, limit, order, key, fields = unpack(cmsgpack.unpack(ARGV[1]))
local call = redis.call

-- Like the engine compares members: byte by byte, whatever the locale says.
local function is_less(one, other)
  for at = 1, math.min(#one, #other) do
    local left, right = string.byte(one, at), string.byte(other, at)
    if left ~= right then
      return left < right
    end
  end
  return #one < #other
end

-- How many members stand before the cursor, or up to and with it.
local function rank_of_cursor(inclusive)
  local from = call('ZCOUNT', index, '-inf', '(' .. order)
  local to = from + call('ZCOUNT', index, order, order)
  while from < to do
    local middle = math.floor((from + to) / 2)
    local member = call('ZRANGE', index, middle, middle)[1]
    if is_less(member, key) or (inclusive and member == key) then
      from = middle + 1
    else
      to = middle
    end
  end
  return from
end

local from = low and call('ZCOUNT', index, '-inf', '(' .. low) or 0
local to = high and call('ZCOUNT', index, '-inf', '(' .. high) or call('ZCARD', index)
if order and descending then
  to = math.min(to, rank_of_cursor(false))
elseif order then
  from = math.max(from, rank_of_cursor(true))
end
if descending then
  from = math.max(from, to - limit)
else
  to = math.min(to, from + limit)
end
local records = {}
if from < to then
  local keys = call('ZRANGE', index, from, to - 1)
  for at, member in ipairs(keys) do
    local record = { member }
    for number, value in ipairs(call('HMGET', begin .. member, unpack(fields))) do
      record[number + 1] = value
    end
    records[descending and #keys - at + 1 or at] = record
  end
end
return cmsgpack.pack(records)
