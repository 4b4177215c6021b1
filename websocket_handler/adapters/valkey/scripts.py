"""What the server does in one step, in Lua. Each script begins with `#!lua`: without that line, a replica would run it
on old data up to its first write.

`KEYS[1]` is the stream of a log. `KEYS[2]` is its end, a hash: `e` epoch, `h` head, `w` the last segment's writer, `c`
bytes of the log since its beginning, `f` the oldest retained offset, `g` the server's generation at the last write, or
nothing if a replica had that write. An offset is written with `%.0f`: Lua's `..` would round it.
"""

from hashlib import sha1
from typing import Final

from websocket_handler.adapters.valkey.connection import packed
from websocket_handler.ports.log_store import BEGUN_S

BEGUN_MS: Final = round(BEGUN_S * 1000)
MISSED_ENTRIES_MAX: Final = 32
MISSED_BYTES_MAX: Final = 262_144
"""A writer that missed more than this reads it, and writes after it."""
TRIM_ENTRIES_MAX: Final = 64
"""How many segments one trim drops. There is a trim at every 64th offset, and one for each quarter of the bytes that a
log may have, so it keeps up."""

APPEND: Final = f"""#!lua
local epoch, first, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local predecessor, writer, data, keys, moves = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local now, ttl, messages, bytes = tonumber(ARGV[9]), ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])
local oldest, keyed, keyed_bytes = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
local generation, is_checked, step = ARGV[16], ARGV[17], bytes / 4
local log = redis.call('HMGET', KEYS[2], 'e', 'h', 'w', 'c', 'f', 'g')
local head, last_writer, total = tonumber(log[2] or '0'), log[3] or '', tonumber(log[4] or '0')
local floor, known = tonumber(log[5] or '1'), log[6] or ''
local function missed_since(offset)
  local entries = redis.call('XRANGE', KEYS[1], string.format('%.0f', offset), '+', 'COUNT', {MISSED_ENTRIES_MAX + 1})
  if #entries == 0 or #entries > {MISSED_ENTRIES_MAX} then return nil end
  local size = 0
  for i, entry in ipairs(entries) do
    local field = {{}}
    for j = 1, #entry[2], 2 do field[entry[2][j]] = entry[2][j + 1] end
    if i == 1 and (tonumber(field.f) ~= offset or field.p ~= predecessor) then return nil end
    size = size + #field.d
    if field.w == writer or size > {MISSED_BYTES_MAX} then return nil end
    if keys ~= '' and field.k ~= '' then
      for key in string.gmatch(keys, '[^\\n]+') do
        if string.find(field.k, '\\n' .. key .. '\\n', 1, true) then return nil end
      end
    end
  end
  return entries
end
if not log[1] then
  if first ~= 1 then return {{'behind'}} end
  redis.call('DEL', KEYS[1])
elseif log[1] ~= epoch then return {{'behind'}}
elseif is_checked == '1' and known ~= '' and known ~= generation then return {{'behind'}}
elseif last_writer == writer and head == first + count - 1 then
  redis.call('PEXPIRE', KEYS[2], ttl)
  return {{'committed', first, {{}}}}
end
local missed = {{}}
if head + 1 ~= first or last_writer ~= predecessor then
  if head < first or moves == '0' then return {{'behind'}} end
  missed = missed_since(first)
  if not missed then return {{'behind'}} end
  first = head + 1
end
local last = first + count - 1
local last_text = string.format('%.0f', last)
local after = total + #data
redis.call('XADD', KEYS[1], last_text .. '-0', 'w', writer, 'p', last_writer, 'f', string.format('%.0f', first),
  't', ARGV[9], 'c', string.format('%.0f', after), 'k', keys, 'd', data)
if math.floor(last / 64) ~= math.floor((first - 1) / 64) or math.floor(after / step) ~= math.floor(total / step) then
  local cut = 0
  for _ = 1, {TRIM_ENTRIES_MAX} do
    local entry = redis.call('XRANGE', KEYS[1], string.format('%.0f', cut + 1), '+', 'COUNT', 1)[1]
    local field = {{}}
    for j = 1, #entry[2], 2 do field[entry[2][j]] = entry[2][j + 1] end
    local offset, left, at = tonumber(string.match(entry[1], '^%d+')), after - tonumber(field.c), tonumber(field.t)
    local is_over = offset < last and (last - offset >= messages or left >= bytes or at < oldest)
    if not is_over or (field.k ~= '' and at > keyed and left < keyed_bytes) then break end
    cut, floor = offset, offset + 1
  end
  if cut > 0 then redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', cut + 1)) end
end
redis.call('HSET', KEYS[2], 'e', epoch, 'h', last_text, 'w', writer, 'c', string.format('%.0f', after),
  'f', string.format('%.0f', floor), 'g', is_checked == '1' and generation or '')
redis.call('PEXPIRE', KEYS[1], ttl)
redis.call('PEXPIRE', KEYS[2], ttl)
return {{'committed', first, missed}}
"""

READ: Final = f"""#!lua
local after, bytes, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local log = redis.call('HMGET', KEYS[2], 'e', 'h', 'w', 'g', 'f')
if not log[1] then return {{}} end
if ttl ~= '0' then redis.call('PEXPIRE', KEYS[2], log[2] == '0' and {BEGUN_MS} or ttl) end
local floor = tonumber(log[5])
if after < 0 then after = floor - 1 end
local found, size, from = {{}}, 0, string.format('%.0f', after + 1)
while size < bytes do
  local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 16)
  for _, entry in ipairs(entries) do
    local data = entry[2][#entry[2]]
    if #found > 0 and size + #data > bytes then
      size = bytes
      break
    end
    size = size + #data
    found[#found + 1] = entry
    from = string.format('%.0f', tonumber(string.match(entry[1], '^%d+')) + 1)
  end
  if #entries < 16 then break end
end
return {{log[1], log[2], log[3], log[4], string.format('%.0f', floor), found}}
"""
"""Reads what follows an offset; what is retained, if the offset is -1. Writing the time to live makes a WAIT behind it
cover everything that was read."""

BEGIN: Final = f"""#!lua
local log = redis.call('HMGET', KEYS[2], 'e', 'h')
local epoch, head = log[1] or ARGV[1], log[2] or '0'
if not log[1] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], 'e', epoch, 'h', head, 'w', '', 'c', '0', 'f', '1', 'g', ARGV[2])
end
if head == '0' then redis.call('PEXPIRE', KEYS[2], {BEGUN_MS}) end
return {{epoch, head}}
"""
"""Gives an empty log an epoch, unless it has one. Such an end expires soon; the first segment lets it live on."""

REPLACE: Final = """#!lua
local log = redis.call('HMGET', KEYS[2], 'e', 'h', 'w')
if log[1] ~= ARGV[1] or log[2] ~= ARGV[2] or log[3] ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[2], 'e', ARGV[4], 'g', ARGV[5])
return 1
"""
"""Gives the log another epoch, or another generation, unless somebody has changed it since it was read."""

KEEP: Final = """#!lua
local log = redis.call('HMGET', KEYS[1], 'e', 'h')
if log[1] ~= ARGV[1] or tonumber(log[2]) < tonumber(ARGV[2]) then return 0 end
local kept = redis.call('HMGET', KEYS[2], 'e', 'o')
if kept[1] == ARGV[1] and tonumber(kept[2]) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[2], 'e', ARGV[1], 'o', ARGV[2], 'd', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
"""
"""Keeps a snapshot of runs (`KEYS[2]`) of the log that ends at `KEYS[1]`, unless that has a newer one, or is another
log."""

SCRIPTS: Final = (APPEND, READ, BEGIN, REPLACE, KEEP)


def load_commands() -> list[bytes]:
    """The packed commands that make a server know the scripts."""
    return [packed("SCRIPT", "LOAD", script) for script in SCRIPTS]


def digest_of(script: str) -> str:
    """What the server calls a script."""
    return sha1(script.encode(), usedforsecurity=False).hexdigest()
