-- Takes the best items of some queues under a lease.
--
-- KEYS[1]: the prefix of all keys of the app. ARGV: the time now, the end of the lease (both in
-- seconds since the epoch), most items to take, then the queues, most important first.
-- Returns MessagePack: {{queue, id, payload, rank} for each item, time of the next one or false}.

local prefix, now, lease_end, limit = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local PROMOTED_AT_ONCE = 1000
local call = redis.call
local known, taken, next_due = prefix .. ':items', {}, false

for at = 4, #ARGV do
  local queue = ARGV[at]
  local ready = prefix .. ':q:' .. queue .. ':ready'
  local held = prefix .. ':q:' .. queue .. ':held'
  if #taken < limit then
    local due = call('ZRANGEBYSCORE', held, '-inf', now, 'LIMIT', 0, PROMOTED_AT_ONCE)
    if #due > 0 then
      call('ZREM', held, unpack(due))
      for _, packed in ipairs(call('HMGET', known, unpack(due))) do
        if packed then
          local item = cmsgpack.unpack(packed)
          call('ZADD', ready, item[4], item[2])
        end
      end
    end
    local best = call('ZRANGE', ready, 0, limit - #taken - 1)
    if #best > 0 then
      call('ZREM', ready, unpack(best))
      local ids = {}
      for number, member in ipairs(best) do
        ids[number] = string.sub(member, 17)
      end
      local leased = {}
      for number, packed in ipairs(call('HMGET', known, unpack(ids))) do
        if packed then
          local item = cmsgpack.unpack(packed)
          leased[#leased + 1], leased[#leased + 2] = lease_end, ids[number]
          taken[#taken + 1] = { queue, ids[number], item[3], item[4] }
        end
      end
      if #leased > 0 then
        call('ZADD', held, unpack(leased))
      end
    end
  end
end

if #taken == 0 then
  for at = 4, #ARGV do
    local first = call('ZRANGE', prefix .. ':q:' .. ARGV[at] .. ':held', 0, 0, 'WITHSCORES')
    if first[2] and (not next_due or tonumber(first[2]) < tonumber(next_due)) then
      next_due = first[2]
    end
  end
end
return cmsgpack.pack({ taken, next_due })
