"""What the Redis store does in the server, where a script runs alone and whole.

Keys, after the prefix: `session:NAME` (hash), `expiry` and `gone` (names by time), `begun:USER` (names); `reply:SCOPE
KEY` (hash), `replies` (by time), `replies_of:NAME`; for `row` and `event`: `KIND_entries` (by number), `KIND_times`
(numbers by time), `KIND_of:NAME` and `KIND_user:USER` (numbers), `KIND_last`; `event_ids`; `changes` (list); `jobs`
(hash), `jobs_ended` (by time). Names and users are ASCII without line breaks.
"""

__all__ = ["SCRIPT"]

SCRIPT = """
local P, op, a = KEYS[1], ARGV[1], cjson.decode(ARGV[2])
local call = redis.call

local function reply_key(r) return P .. 'reply:' .. r.scope .. ' ' .. r.key end

local function replied()
  if not a.reply then return false end
  local expires = call('HGET', reply_key(a.reply), 'expires')
  return expires and tonumber(expires) > tonumber(a.now)
end

local function drop_reply(key)
  local session = call('HGET', key, 'session')
  if session then call('SREM', P .. 'replies_of:' .. session, key) end
  call('DEL', key)
  call('ZREM', P .. 'replies', key)
end

local function keep_reply()
  local r = a.reply
  if not r then return end
  local key = reply_key(r)
  drop_reply(key)
  call('HSET', key, 'expires', r.expires, 'body', r.body)
  call('ZADD', P .. 'replies', r.expires, key)
  if r.session then
    call('HSET', key, 'session', r.session)
    call('SADD', P .. 'replies_of:' .. r.session, key)
  end
end

local function drop_replies_of(name)
  for _, key in ipairs(call('SMEMBERS', P .. 'replies_of:' .. name)) do drop_reply(key) end
end

local function leave(name, why)
  local key = P .. 'session:' .. name
  local user = call('HGET', key, 'user')
  if user then call('SREM', P .. 'begun:' .. user, name) end
  call('DEL', key)
  call('HSET', key, 'gone', why)
  call('ZREM', P .. 'expiry', name)
  call('ZADD', P .. 'gone', a.now, name)
  drop_replies_of(name)
end

local function living(name)
  local expires = call('HGET', P .. 'session:' .. name, 'expires')
  if not expires then return false end
  if tonumber(expires) > tonumber(a.now) then return true end
  leave(name, 'expired')
  return false
end

local function add(kind, e)
  local n = call('INCR', P .. kind .. '_last')
  local entry = table.concat({n, e.session or '', e.user or '', e.name or '', e.body}, '\\n')
  call('ZADD', P .. kind .. '_entries', n, entry)
  call('ZADD', P .. kind .. '_times', e.time, n)
  if e.session then call('SADD', P .. kind .. '_of:' .. e.session, n) end
  if e.user then call('SADD', P .. kind .. '_user:' .. e.user, n) end
  if e.name then call('HSET', P .. 'event_ids', e.name, n) end
end

local function parts(kind, n)
  local entry = call('ZRANGEBYSCORE', P .. kind .. '_entries', n, n)[1]
  if entry then return entry, entry:match('^%d+\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n') end
end

local function drop(kind, n)
  local entry, session, user, name = parts(kind, n)
  if not entry then return 0 end
  call('ZREM', P .. kind .. '_entries', entry)
  call('ZREM', P .. kind .. '_times', n)
  call('SREM', P .. kind .. '_of:' .. session, n)
  call('SREM', P .. kind .. '_user:' .. user, n)
  if kind == 'event' then call('HDEL', P .. 'event_ids', name) end
  return 1
end

local function drop_all(kind, numbers)
  local count = 0
  for _, n in ipairs(numbers) do count = count + drop(kind, n) end
  return count
end

local function write()
  for _, row in ipairs(a.rows or {}) do add('row', row) end
  keep_reply()
end

local function put_job(job)
  call('HSET', P .. 'jobs', job.name, job.body)
  call('ZREM', P .. 'jobs_ended', job.name)
  if job.ended then call('ZADD', P .. 'jobs_ended', job.ended, job.name) end
end

local function own(s)
  local key = P .. 'session:' .. s.name
  local before = call('HGET', key, 'user')
  if before then call('SREM', P .. 'begun:' .. before, s.name) end
  call('HDEL', key, 'user')
  if s.user then
    call('HSET', key, 'user', s.user)
    call('SADD', P .. 'begun:' .. s.user, s.name)
  end
end

local ops = {}

function ops.create()
  local s, key = a.session, P .. 'session:' .. a.session.name
  if replied() then return 'replied' end
  if call('EXISTS', key) == 1 then return 'stale' end
  call('HSET', key, 'version', 0, 'expires', s.expires, 'created', s.created, 'body', s.body)
  call('ZADD', P .. 'expiry', s.expires, s.name)
  own(s)
  write()
  return 'done'
end

function ops.load()
  living(a.name)
  return call('HMGET', P .. 'session:' .. a.name, 'gone', 'version', 'expires', 'created', 'body')
end

function ops.replace()
  local s, key = a.session, P .. 'session:' .. a.session.name
  if replied() then return 'replied' end
  if not living(s.name) then return 'gone' end
  local found = call('HMGET', key, 'version', 'expires')
  if tonumber(found[1]) ~= tonumber(a.expected) then return 'stale' end
  call('HINCRBY', key, 'version', 1)
  call('HSET', key, 'body', s.body)
  if tonumber(s.expires) > tonumber(found[2]) then
    call('HSET', key, 'expires', s.expires)
    call('ZADD', P .. 'expiry', s.expires, s.name)
  end
  own(s)
  write()
  return 'done'
end

function ops.delete()
  local there = living(a.name)
  if there then leave(a.name, 'deleted') end
  drop_replies_of(a.name)
  for _, kind in ipairs({'row', 'event'}) do drop_all(kind, call('SMEMBERS', P .. kind .. '_of:' .. a.name)) end
  return there and 1 or 0
end

function ops.expire()
  local late = call('ZRANGEBYSCORE', P .. 'expiry', '-inf', a.now)
  for _, name in ipairs(late) do leave(name, 'expired') end
  for _, name in ipairs(call('ZRANGEBYSCORE', P .. 'gone', '-inf', a.before)) do
    call('DEL', P .. 'session:' .. name)
    call('ZREM', P .. 'gone', name)
  end
  for _, key in ipairs(call('ZRANGEBYSCORE', P .. 'replies', '-inf', a.now)) do drop_reply(key) end
  for _, name in ipairs(call('ZRANGEBYSCORE', P .. 'jobs_ended', '-inf', a.before)) do
    call('HDEL', P .. 'jobs', name)
    call('ZREM', P .. 'jobs_ended', name)
  end
  return #late
end

function ops.append_events()
  local new = {}
  local there = replied()
  for at, event in ipairs(a.events) do
    new[at] = (not there and call('HEXISTS', P .. 'event_ids', event.name) == 0) and 1 or 0
    if new[at] == 1 then add('event', event) end
  end
  if not there and a.reply then
    a.reply.body = a.reply.body:gsub('"body":""', '"body":"[' .. table.concat(new, ',') .. ']"', 1)
    keep_reply()
  end
  return new
end

function ops.purge()
  local count = 0
  for _, kind in ipairs({'row', 'event'}) do
    count = count + drop_all(kind, call('ZRANGEBYSCORE', P .. kind .. '_times', '-inf', '(' .. a.before))
  end
  return count
end

function ops.erase_user()
  local begun, seen = call('SMEMBERS', P .. 'begun:' .. a.user), {}
  for _, name in ipairs(begun) do seen[name] = true end
  for _, n in ipairs(call('SMEMBERS', P .. 'row_user:' .. a.user)) do
    local entry, session = parts('row', n)
    if entry then seen[session] = true end
  end
  for _, name in ipairs(begun) do leave(name, 'deleted') end
  local count = #begun
  for _, kind in ipairs({'row', 'event'}) do
    for name in pairs(seen) do count = count + drop_all(kind, call('SMEMBERS', P .. kind .. '_of:' .. name)) end
    count = count + drop_all(kind, call('SMEMBERS', P .. kind .. '_user:' .. a.user))
  end
  return count
end

function ops.append_change()
  if replied() then return 0 end
  local number = call('RPUSH', P .. 'changes', a.change)
  if a.job then put_job(a.job) end
  keep_reply()
  return number
end

function ops.put_job() put_job(a.job) return 1 end

return ops[op]()
"""
