-- Carries out a list of storage operations in order.
--
-- KEYS[1]: the prefix of all keys of the app. ARGV[1]: a MessagePack array {tables, operations}.
-- A table is {name, {index...}}, an index {{field...}, order field, is sparse}. Every value is text whose
-- first letter tells its type; 'n' stands for none, and so does a field that was never written.
-- Returns a MessagePack array with a reply for each operation: for a write 1, or {what is there}
-- (false if nothing is), for a read a list of records (false where there is none).

local prefix = KEYS[1]
local program = cmsgpack.unpack(ARGV[1])
local tables, operations = program[1], program[2]
local MARK = '' -- a field that every record has, so that one with no values exists as well
local call = redis.call

local function record_key(of, key)
  return prefix .. ':r:' .. of[1] .. ':' .. key
end

-- The sorted set of an index in which a record with these values stands; '' for none.
local function index_key(of, number, values)
  local key = prefix .. ':x:' .. of[1] .. ':' .. number .. ':'
  for _, field in ipairs(of[2][number][1]) do
    local value = values[field] or 'n'
    if value == 'n' and of[2][number][3] then
      return ''
    end
    key = key .. #value .. ':' .. value
  end
  return key
end

local function score(value)
  if not value or value == 'n' then
    return '0'
  end
  return string.sub(value, 2)
end

local function fetch(record, names)
  local found, values = call('HMGET', record, MARK, unpack(names)), {}
  for at, name in ipairs(names) do
    values[name] = found[at + 1]
  end
  return found[1], values
end

-- False where the guard holds, else a reply that tells what is there.
local function refused(marked, values, expect)
  if not marked then
    return { false }
  end
  for at = 1, #expect, 2 do
    if (values[expect[at]] or 'n') ~= expect[at + 1] then
      local current = {}
      for other = 1, #expect, 2 do
        current[#current + 1] = values[expect[other]] or 'n'
      end
      return { current }
    end
  end
  return false
end

local function entry(text)
  return #text .. ':' .. text
end

-- Everything about a new record is known beforehand: its fields, and where it stands in each index.
local function insert(record, set, places)
  if call('EXISTS', record) == 1 then
    return { {} }
  end
  call('HSET', record, unpack(set))
  for at = 1, #places, 3 do
    call('ZADD', places[at], places[at + 1], places[at + 2])
  end
  return 1
end

local function patch(of, key, values, expect, append)
  local record = record_key(of, key)
  local names, new, touched = {}, {}, {}
  for at = 1, #expect, 2 do
    names[#names + 1] = expect[at]
  end
  for at = 1, #append, 2 do
    names[#names + 1] = append[at]
  end
  for at = 1, #values, 2 do
    new[values[at]] = values[at + 1]
  end
  for number, index in ipairs(of[2]) do
    local is_touched = new[index[2]]
    for _, field in ipairs(index[1]) do
      is_touched = is_touched or new[field]
    end
    if is_touched then
      touched[#touched + 1] = number
      names[#names + 1] = index[2]
      for _, field in ipairs(index[1]) do
        names[#names + 1] = field
      end
    end
  end
  local marked, old = fetch(record, names)
  local refusal = refused(marked, old, expect)
  if refusal then
    return refusal
  end
  local set = {}
  for at = 1, #values do
    set[at] = values[at]
  end
  for at = 1, #append, 2 do
    set[#set + 1] = append[at]
    set[#set + 1] = (old[append[at]] or '') .. entry(append[at + 1])
  end
  if #set > 0 then
    call('HSET', record, unpack(set))
  end
  local before, was = {}, {}
  for at, number in ipairs(touched) do
    before[at], was[at] = index_key(of, number, old), score(old[of[2][number][2]])
  end
  for field, value in pairs(new) do
    old[field] = value
  end
  for at, number in ipairs(touched) do
    local after, is = index_key(of, number, old), score(old[of[2][number][2]])
    if before[at] ~= after and before[at] ~= '' then
      call('ZREM', before[at], key)
    end
    if after ~= '' and (before[at] ~= after or was[at] ~= is) then
      call('ZADD', after, is, key)
    end
  end
  return 1
end

local function delete(of, key, expect)
  local record = record_key(of, key)
  local names = {}
  for at = 1, #expect, 2 do
    names[#names + 1] = expect[at]
  end
  for _, index in ipairs(of[2]) do
    names[#names + 1] = index[2]
    for _, field in ipairs(index[1]) do
      names[#names + 1] = field
    end
  end
  local marked, old = fetch(record, names)
  local refusal = refused(marked, old, expect)
  if refusal then
    return refusal
  end
  call('UNLINK', record)
  for number = 1, #of[2] do
    local place = index_key(of, number, old)
    if place ~= '' then
      call('ZREM', place, key)
    end
  end
  return 1
end

-- Puts a record into the indexes from a number on, which an earlier version did not have.
local function reindex(of, key, from)
  local names = {}
  for number = from, #of[2] do
    local index = of[2][number]
    names[#names + 1] = index[2]
    for _, field in ipairs(index[1]) do
      names[#names + 1] = field
    end
  end
  local marked, values = fetch(record_key(of, key), names)
  if not marked then
    return
  end
  for number = from, #of[2] do
    local place = index_key(of, number, values)
    if place ~= '' then
      call('ZADD', place, score(values[of[2][number][2]]), key)
    end
  end
end

local function read(of, keys, fields)
  local records = {}
  for at, key in ipairs(keys) do
    local found = call('HMGET', record_key(of, key), MARK, unpack(fields))
    if found[1] then
      table.remove(found, 1)
      records[at] = found
    else
      records[at] = false
    end
  end
  return records
end

local function push(queue, items)
  local known = prefix .. ':items'
  local last = call('INCRBY', prefix .. ':seq', #items / 4) - #items / 4
  local ready, held = {}, {}
  for at = 1, #items, 4 do
    local id, payload, rank, due = items[at], items[at + 1], items[at + 2], items[at + 3]
    last = last + 1
    local member = string.format('%016d', last) .. id
    if call('HSETNX', known, id, cmsgpack.pack({ queue, member, payload, rank })) == 1 then
      if due == '0' then
        ready[#ready + 1], ready[#ready + 2] = rank, member
      else
        held[#held + 1], held[#held + 2] = due, id
      end
    end
  end
  if #ready > 0 then
    call('ZADD', prefix .. ':q:' .. queue .. ':ready', unpack(ready))
  end
  if #held > 0 then
    call('ZADD', prefix .. ':q:' .. queue .. ':held', unpack(held))
  end
  call('SADD', prefix .. ':queues', queue)
  call('PUBLISH', prefix .. ':c:queue:' .. queue, '')
end

local function ack(ids)
  local known = prefix .. ':items'
  for at, packed in ipairs(call('HMGET', known, unpack(ids))) do
    if packed then
      local item = cmsgpack.unpack(packed)
      if call('ZREM', prefix .. ':q:' .. item[1] .. ':held', ids[at]) == 0 then
        call('ZREM', prefix .. ':q:' .. item[1] .. ':ready', item[2])
      end
    end
  end
  call('HDEL', known, unpack(ids))
end

local replies = {}
for at, operation in ipairs(operations) do
  local kind = operation[1]
  local of = tables[operation[2]]
  local reply = 1
  if kind == 'P' then
    reply = patch(of, operation[3], operation[4], operation[5], operation[6])
  elseif kind == 'I' then
    reply = insert(operation[2], operation[3], operation[4])
  elseif kind == 'R' then
    reply = read(of, operation[3], operation[4])
  elseif kind == 'D' then
    reply = delete(of, operation[3], operation[4])
  elseif kind == 'U' then
    push(operation[2], operation[3])
  elseif kind == 'A' then
    if #operation[2] > 0 then
      ack(operation[2])
    end
  elseif kind == 'X' then
    reindex(of, operation[3], operation[4])
  elseif kind == 'N' then
    for _, channel in ipairs(operation[2]) do
      call('PUBLISH', prefix .. ':c:' .. channel, '')
    end
  end
  replies[at] = reply
end
return cmsgpack.pack(replies)
