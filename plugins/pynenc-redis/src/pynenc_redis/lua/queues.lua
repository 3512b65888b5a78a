-- The queues that hold anything; forgets those that hold nothing.
-- KEYS[1]: the prefix of all keys of the app.

local prefix, full = KEYS[1], {}
for _, queue in ipairs(redis.call('SMEMBERS', prefix .. ':queues')) do
  local begin = prefix .. ':q:' .. queue
  if redis.call('EXISTS', begin .. ':ready', begin .. ':held') > 0 then
    full[#full + 1] = queue
  else
    redis.call('SREM', prefix .. ':queues', queue)
  end
end
return full
