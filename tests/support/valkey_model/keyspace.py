"""What a server holds: strings, hashes and streams with their times to live, and the commands on them."""

from __future__ import annotations

import pickle
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from tests.support.valkey_model.replies import OK, Refused, Reply

Args = Sequence[bytes]
Command = tuple[bytes, ...]
EntryId = tuple[int, int]
FIRST: Final[EntryId] = (0, 0)
LAST: Final[EntryId] = (2**64 - 1, 2**64 - 1)


@dataclass
class Stream:
    """A stream. `ids` is in order."""

    ids: list[EntryId] = field(default_factory=list)
    fields: dict[EntryId, list[bytes]] = field(default_factory=dict)
    last: EntryId = FIRST


Value = bytes | dict[bytes, bytes] | Stream


class Keyspace:
    """The keys of one server. `now_ms` is its wall clock. `wrote` gets each change, as a command that makes the same
    change elsewhere."""

    def __init__(self, now_ms: Callable[[], float], wrote: Callable[[Command], None] = lambda _command: None) -> None:
        self._now_ms = now_ms
        self._wrote = wrote
        self._values: dict[bytes, Value] = {}
        self._ends: dict[bytes, float] = {}
        """When a key expires, in milliseconds."""

    def perform(self, command: Args) -> Reply:
        """Carry out one command. Raises Refused."""
        name = command[0].upper()
        action = COMMANDS.get(name)
        if action is None:
            raise Refused(f"ERR unknown command '{command[0].decode()}'")
        try:
            return action(self, command[1:])
        except IndexError:
            raise Refused(f"ERR wrong number of arguments for '{name.decode().lower()}' command") from None

    def clear(self) -> None:
        """Forget everything, as a restart without persistence does."""
        self._values.clear()
        self._ends.clear()

    def copy_from(self, other: Keyspace) -> None:
        """Become the same as another one."""
        self._values = pickle.loads(pickle.dumps(other._values))  # noqa: S301 - our own bytes
        self._ends = dict(other._ends)

    def log_at(self, key: bytes) -> tuple[dict[bytes, bytes], Stream] | None:
        """The end and the stream of the log whose end has this key; None if there is none. For checks only."""
        end, stream = self._values.get(key), self._values.get(key.removesuffix(b":end") + b":log")
        return (end, stream) if isinstance(end, dict) and isinstance(stream, Stream) else None

    @property
    def keys(self) -> list[bytes]:
        """All keys, also those that have expired. For checks only."""
        return list(self._values)

    # Values

    def _get(self, key: bytes, kind: type[Any]) -> Any:
        if self._ends.get(key, float("inf")) <= self._now_ms():
            self._drop(key)
        value = self._values.get(key)
        if value is not None and not isinstance(value, kind):
            raise Refused("WRONGTYPE Operation against a key holding the wrong kind of value")
        return value

    def _drop(self, key: bytes) -> bool:
        self._ends.pop(key, None)
        return self._values.pop(key, None) is not None

    def _any(self, key: bytes) -> Value | None:
        value: Value | None = self._get(key, object)
        return value

    # Keys

    def delete(self, args: Args) -> Reply:
        gone = [key for key in args if self._any(key) is not None]
        for key in gone:
            self._drop(key)
        if gone:
            self._wrote((b"DEL", *gone))
        return len(gone)

    def exists(self, args: Args) -> Reply:
        return sum(self._any(key) is not None for key in args)

    def expire(self, args: Args) -> Reply:
        return self._expire_at(args[0], self._now_ms() + int(args[1]) * 1000)

    def pexpire(self, args: Args) -> Reply:
        return self._expire_at(args[0], self._now_ms() + int(args[1]))

    def pexpireat(self, args: Args) -> Reply:
        return self._expire_at(args[0], int(args[1]))

    def _expire_at(self, key: bytes, at_ms: float) -> Reply:
        if self._any(key) is None:
            return 0
        self._ends[key] = at_ms
        self._wrote((b"PEXPIREAT", key, b"%d" % at_ms))
        return 1

    def pttl(self, args: Args) -> Reply:
        if self._any(args[0]) is None:
            return -2
        end = self._ends.get(args[0])
        return -1 if end is None else round(end - self._now_ms())

    def ttl(self, args: Args) -> Reply:
        left = self.pttl(args)
        assert isinstance(left, int)
        return left if left < 0 else (left + 500) // 1000

    def dump(self, args: Args) -> Reply:
        value = self._any(args[0])
        return None if value is None else pickle.dumps(value)

    def restore(self, args: Args) -> Reply:
        key, ttl_ms, blob = args[:3]
        if self._any(key) is not None and b"REPLACE" not in [option.upper() for option in args[3:]]:
            raise Refused("BUSYKEY Target key name already exists.")
        self._drop(key)
        self._values[key] = pickle.loads(blob)  # noqa: S301 - our own bytes
        if int(ttl_ms):
            self._ends[key] = self._now_ms() + int(ttl_ms)
        self._wrote((b"RESTORE", *args))
        return OK

    def names(self, args: Args) -> Reply:
        return [key for key in list(self._values) if self._any(key) is not None and fnmatchcase(*_texts(key, args[0]))]

    # Strings

    def get(self, args: Args) -> Reply:
        value: bytes | None = self._get(args[0], bytes)
        return value

    def set(self, args: Args) -> Reply:
        key, value, options = args[0], args[1], [option.upper() for option in args[2:]]
        self._drop(key)
        self._values[key] = value
        self._wrote((b"SET", key, value))
        if options[:1] == [b"EX"]:
            self._expire_at(key, self._now_ms() + int(options[1]) * 1000)
        elif options:
            raise Refused("ERR syntax error")
        return OK

    def getdel(self, args: Args) -> Reply:
        value: bytes | None = self._get(args[0], bytes)
        self.delete(args[:1])
        return value

    # Hashes

    def hset(self, args: Args) -> Reply:
        key, pairs = args[0], args[1:]
        if not pairs or len(pairs) % 2:
            raise IndexError
        found: dict[bytes, bytes] | None = self._get(key, dict)
        if found is None:
            found = self._values[key] = {}
        before = len(found)
        found.update(zip(pairs[::2], pairs[1::2], strict=True))
        self._wrote((b"HSET", *args))
        return len(found) - before

    def hdel(self, args: Args) -> Reply:
        found: dict[bytes, bytes] = self._get(args[0], dict) or {}
        gone = [name for name in args[1:] if found.pop(name, None) is not None]
        if gone:
            self._wrote((b"HDEL", args[0], *gone))
            if not found:
                self._drop(args[0])
        return len(gone)

    def hget(self, args: Args) -> Reply:
        return (self._get(args[0], dict) or {}).get(args[1])

    def hmget(self, args: Args) -> Reply:
        found = self._get(args[0], dict) or {}
        return [found.get(name) for name in args[1:]]

    def hgetall(self, args: Args) -> Reply:
        return dict(self._get(args[0], dict) or {})

    def hvals(self, args: Args) -> Reply:
        return list((self._get(args[0], dict) or {}).values())

    # Streams

    def xadd(self, args: Args) -> Reply:
        key, entry, pairs = args[0], _entry_id(args[1], 0), list(args[2:])
        if not pairs or len(pairs) % 2:
            raise IndexError
        stream: Stream | None = self._get(key, Stream)
        if stream is not None and entry <= stream.last:
            raise Refused("ERR The ID specified in XADD is equal or smaller than the target stream top item")
        if stream is None:
            stream = Stream()
            self._values[key] = stream
        stream.ids.append(entry)
        stream.fields[entry] = pairs
        stream.last = entry
        self._wrote((b"XADD", *args))
        return _shown(entry)

    def xlen(self, args: Args) -> Reply:
        return len((self._get(args[0], Stream) or Stream()).ids)

    def xrange(self, args: Args) -> Reply:
        stream: Stream = self._get(args[0], Stream) or Stream()
        first = bisect_left(stream.ids, FIRST if args[1] == b"-" else _entry_id(args[1], 0))
        last = bisect_right(stream.ids, LAST if args[2] == b"+" else _entry_id(args[2], LAST[1]))
        found = stream.ids[first:last]
        if len(args) > 3:
            if args[3].upper() != b"COUNT":
                raise Refused("ERR syntax error")
            found = found[: int(args[4])]
        return [[_shown(entry), list(stream.fields[entry])] for entry in found]

    def xtrim(self, args: Args) -> Reply:
        if args[1].upper() != b"MINID":
            raise Refused("ERR syntax error")
        stream: Stream = self._get(args[0], Stream) or Stream()
        count = bisect_left(stream.ids, _entry_id(args[2], 0))
        for entry in stream.ids[:count]:
            del stream.fields[entry]
        del stream.ids[:count]
        if count:
            self._wrote((b"XTRIM", *args))
        return count


def _texts(*parts: bytes) -> list[str]:
    return [part.decode("latin-1") for part in parts]


def _entry_id(text: bytes, sequence: int) -> EntryId:
    before, dash, behind = text.partition(b"-")
    try:
        return int(before), int(behind) if dash else sequence
    except ValueError:
        raise Refused("ERR Invalid stream ID specified as stream command argument") from None


def _shown(entry: EntryId) -> bytes:
    return b"%d-%d" % entry


COMMANDS: Final[dict[bytes, Callable[[Keyspace, Args], Reply]]] = {
    b"DEL": Keyspace.delete,
    b"EXISTS": Keyspace.exists,
    b"EXPIRE": Keyspace.expire,
    b"PEXPIRE": Keyspace.pexpire,
    b"PEXPIREAT": Keyspace.pexpireat,
    b"TTL": Keyspace.ttl,
    b"PTTL": Keyspace.pttl,
    b"DUMP": Keyspace.dump,
    b"RESTORE": Keyspace.restore,
    b"KEYS": Keyspace.names,
    b"GET": Keyspace.get,
    b"SET": Keyspace.set,
    b"GETDEL": Keyspace.getdel,
    b"HSET": Keyspace.hset,
    b"HDEL": Keyspace.hdel,
    b"HGET": Keyspace.hget,
    b"HMGET": Keyspace.hmget,
    b"HGETALL": Keyspace.hgetall,
    b"HVALS": Keyspace.hvals,
    b"XADD": Keyspace.xadd,
    b"XLEN": Keyspace.xlen,
    b"XRANGE": Keyspace.xrange,
    b"XTRIM": Keyspace.xtrim,
}
WRITES: Final = frozenset(
    {b"DEL", b"EXPIRE", b"PEXPIRE", b"PEXPIREAT", b"RESTORE", b"SET", b"GETDEL", b"HSET", b"HDEL", b"XADD", b"XTRIM"}
)
"""What a replica refuses."""
NEED_MEMORY: Final = frozenset({b"RESTORE", b"SET", b"HSET", b"XADD"})
"""What a full server refuses."""
