-- Tells where items stand in their queues.
--
-- KEYS[1]: the prefix of all keys of the app. ARGV: the time now in seconds since the epoch, then ids.
-- Returns MessagePack, for each id: false, or {queue, rank, time until which it is held or '0',
-- ready items before it, ready items of a better rank}.

local prefix, now, found = KEYS[1], tonumber(ARGV[1]), {}
local call = redis.call

for at = 2, #ARGV do
  local packed = call('HGET', prefix .. ':items', ARGV[at])
  local reply = false
  if packed then
    local item = cmsgpack.unpack(packed)
    local ready = prefix .. ':q:' .. item[1] .. ':ready'
    local due = call('ZSCORE', prefix .. ':q:' .. item[1] .. ':held', ARGV[at])
    local before = call('ZRANK', ready, item[2]) or call('ZCOUNT', ready, '-inf', item[4])
    local better = call('ZCOUNT', ready, '-inf', '(' .. item[4])
    reply = { item[1], item[4], due or '0', before, better }
  end
  found[at - 1] = reply
end
return cmsgpack.pack(found)
