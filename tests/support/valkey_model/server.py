"""One server: who is connected, what it carries out, what it tells its replicas, and what it pushes to subscribers.

It has no sockets and no clock. Whoever runs it brings bytes to a `Session`, takes bytes from it, and says what time it
is: on loopback for contract tests, or in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from hashlib import sha1
from typing import Final, Protocol

from tests.support.valkey_model import lua
from tests.support.valkey_model.keyspace import NEED_MEMORY, WRITES, Args, Command, Keyspace
from tests.support.valkey_model.replies import OK, Push, Refused, Reply, Simple, Verbatim
from tests.support.valkey_model.session import Session, Waiting

VERSION: Final = "9.1.2"
READONLY: Final = "READONLY You can't write against a read only replica."
OUT_OF_MEMORY: Final = "OOM command not allowed when used memory > 'maxmemory'."
NO_SCRIPT: Final = "NOSCRIPT No matching script."
LOADING: Final = "LOADING Valkey is loading the dataset in memory"
USED_MEMORY: Final = 1_000_000
"""A server whose `maxmemory` is smaller is full."""
WHILE_LOADING: Final = frozenset({b"HELLO", b"INFO", b"SSUBSCRIBE", b"SUNSUBSCRIBE", b"CLIENT"})
Change = Sequence[Command]
"""What one command has changed, all of it or nothing."""


class Feed(Protocol):
    """The way from a primary to one replica."""

    acked: int
    """The last change that the replica is known to have."""

    def wrote(self, offset: int, change: Change) -> None:
        """The primary has made its change number `offset`."""
        ...


class ModelServer:
    """A primary, or a replica."""

    def __init__(
        self,
        now_ms: Callable[[], float],
        later: Callable[[float, Callable[[], None]], object],
        new_id: Callable[[], str],
    ) -> None:
        """`now_ms` is the wall clock in milliseconds. `later` calls a function after so many seconds. `new_id` makes
        the 40 characters that name a history of writes."""
        self.keys = Keyspace(now_ms, self._wrote)
        self.is_primary = True
        self.is_loading = False
        self.generation = new_id()
        self.offset = 0
        """How many changes were made."""
        self.feeds: list[Feed] = []
        self.sessions: dict[Session, None] = {}
        self.scripts: dict[str, str] = {}
        self.maxmemory = 0
        self.policy = "noeviction"
        self.changed: Callable[[Change], None] = lambda _change: None
        """Called with what a client has changed on this primary."""
        self.is_told: Callable[[Session, Push], bool] = lambda _session, _message: True
        """Says if a message reaches this subscriber."""
        self._later = later
        self._new_id = new_id
        self._change: list[Command] = []
        self._waiting: list[Waiting] = []

    # Clients

    def session(self, write: Callable[[bytes], None], close: Callable[[], None]) -> Session:
        """A client has connected. `write` takes bytes for it, and `close` ends its connection."""
        session = Session(self.perform, write, close)
        self.sessions[session] = None
        return session

    def gone(self, session: Session) -> None:
        """A client's connection has ended."""
        self.sessions.pop(session, None)
        self._waiting = [each for each in self._waiting if each.session is not session]

    def perform(self, session: Session, command: Args) -> Reply:
        """Carry out one command of a client. Raises Refused."""
        name = command[0].upper()
        if self.is_loading and name not in WHILE_LOADING:
            raise Refused(LOADING)
        before = self.offset
        try:
            own = _OWN.get(name)
            reply = self._on_keys(command) if own is None else own(self, session, command[1:])
        finally:
            self._flush()
        if self.offset != before:
            session.wrote_at = self.offset
        return reply

    def _on_keys(self, command: Args) -> Reply:
        name = command[0].upper()
        if name in WRITES and not self.is_primary:
            raise Refused(READONLY)
        if name in NEED_MEMORY and self.is_full:
            raise Refused(OUT_OF_MEMORY)
        return self.keys.perform(command)

    @property
    def is_full(self) -> bool:
        """True while there is no memory for more."""
        return 0 < self.maxmemory < USED_MEMORY

    # Replication

    def _wrote(self, command: Command) -> None:
        self._change.append(command)

    def _flush(self) -> None:
        """Number what was changed, and tell the replicas."""
        change, self._change = self._change, []
        if change and self.is_primary:
            self.offset += 1
            self.changed(change)
            for feed in self.feeds:
                feed.wrote(self.offset, change)

    def apply(self, offset: int, change: Change) -> None:
        """A replica makes its primary's change."""
        for command in change:
            if command[0] == b"SPUBLISH":
                self._tell(command[1], command[2])
            else:
                self.keys.perform(command)
        self._change.clear()
        self.offset = offset

    def acknowledged(self) -> None:
        """A replica has said how far it is: answer whoever waits for that."""
        for waiting in list(self._waiting):
            if self._replicas_at(waiting.offset) >= waiting.replicas:
                self._answer(waiting)

    def _replicas_at(self, offset: int) -> int:
        return sum(feed.acked >= offset for feed in self.feeds)

    def _answer(self, waiting: Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            waiting.session.unblock(self._replicas_at(waiting.offset))

    def promote(self) -> None:
        """Become a primary, with a history of writes of one's own."""
        self.is_primary = True
        self.generation = self._new_id()

    def demote(self, primary: ModelServer) -> None:
        """Become a replica that has the same as its primary. Whoever is blocked is told so, and connects again."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.session.unblock(
                Refused("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)")
            )
            each.session.close()
        self.is_primary = False
        self.feeds.clear()
        self.follow(primary)

    def follow(self, primary: ModelServer) -> None:
        """Have everything that the primary has, as after a full synchronization."""
        self.keys.copy_from(primary.keys)
        self.offset, self.generation = primary.offset, primary.generation

    def restart(self, *, keeps_data: bool) -> None:
        """End, and begin again as a primary. Its clients lose their connections."""
        for session in list(self.sessions):
            session.close()
        self._waiting.clear()
        self.scripts.clear()
        self.generation = self._new_id()
        if not keeps_data:
            self.keys.clear()

    # Scripts

    def _script(self, _session: Session, args: Args) -> Reply:
        match [args[0].upper(), *args[1:]]:
            case [b"LOAD", text]:
                digest = sha1(text, usedforsecurity=False).hexdigest()
                self.scripts[digest] = text.decode()
                return digest.encode()
            case [b"FLUSH", *_]:
                self.scripts.clear()
                return OK
            case _:
                raise Refused("ERR unknown subcommand")

    def _evalsha(self, _session: Session, args: Args) -> Reply:
        script = self.scripts.get(args[0].decode().lower())
        if script is None:
            raise Refused(NO_SCRIPT)
        return self._run(script, args[1:])

    def _eval(self, _session: Session, args: Args) -> Reply:
        return self._run(args[0].decode(), args[1:])

    def _run(self, script: str, args: Args) -> Reply:
        """A script with a first line for the server is judged as a whole; another one at each command."""
        first = script.partition("\n")[0]
        if first.startswith(lua.SHEBANG) and "no-writes" not in first:
            if not self.is_primary:
                raise Refused(READONLY)
            if self.is_full:
                raise Refused(OUT_OF_MEMORY)
        count = int(args[0])
        return lua.run(script, args[1 : 1 + count], args[1 + count :], self._on_keys)

    # Messages

    def _ssubscribe(self, session: Session, args: Args) -> Reply:
        for channel in args:
            session.channels[channel] = None
            session.push(Push([b"ssubscribe", channel, len(session.channels)]))
        return session.NOTHING

    def _sunsubscribe(self, session: Session, args: Args) -> Reply:
        for channel in args or list(session.channels):
            session.channels.pop(channel, None)
            session.push(Push([b"sunsubscribe", channel, len(session.channels)]))
        return session.NOTHING

    def end_subscriptions(self) -> None:
        """Tell every subscriber that this server no longer has its channels, as a failover of a cluster does."""
        for session in list(self.sessions):
            for channel in list(session.channels):
                del session.channels[channel]
                session.push(Push([b"sunsubscribe", channel, len(session.channels)]))

    def _spublish(self, _session: Session, args: Args) -> Reply:
        channel, message = args
        if self.is_primary:
            self._wrote((b"SPUBLISH", channel, message))
        return self._tell(channel, message)

    def _tell(self, channel: bytes, message: bytes) -> int:
        followers = [session for session in self.sessions if channel in session.channels]
        for session in followers:
            push = Push([b"smessage", channel, message])
            if self.is_told(session, push):
                session.push(push)
        return len(followers)

    def _pubsub(self, _session: Session, args: Args) -> Reply:
        if args[0].upper() != b"SHARDCHANNELS":
            raise Refused("ERR unknown subcommand")
        pattern = args[1].decode() if len(args) > 1 else "*"
        channels = dict.fromkeys(channel for session in self.sessions for channel in session.channels)
        return [channel for channel in channels if fnmatchcase(channel.decode(), pattern)]

    # Everything else

    def _wait(self, session: Session, args: Args) -> Reply:
        """After a read alone, or nothing, it answers at once; a number, also when the time is over."""
        replicas, timeout_ms = int(args[0]), int(args[1])
        if not self.is_primary:
            raise Refused("ERR WAIT cannot be used with replica instances.")
        found = self._replicas_at(session.wrote_at)
        if found >= replicas:
            return found
        waiting = Waiting(session, session.wrote_at, replicas)
        self._waiting.append(waiting)
        if timeout_ms:
            self._later(timeout_ms / 1000, lambda: self._answer(waiting))
        return session.LATER

    def _hello(self, session: Session, args: Args) -> Reply:
        if args:
            if args[0] not in (b"2", b"3"):
                raise Refused("NOPROTO unsupported protocol version")
            session.version = int(args[0])
        role = b"master" if self.is_primary else b"replica"
        named: dict[bytes, Reply] = {b"server": b"valkey", b"version": VERSION.encode(), b"proto": session.version}
        return {**named, b"id": 1, b"mode": b"standalone", b"role": role, b"modules": []}

    def _info(self, _session: Session, _args: Args) -> Reply:
        lines = {
            "redis_version": "7.2.4",
            "valkey_version": VERSION,
            "maxmemory_policy": self.policy,
            "loading": int(self.is_loading),
            "role": "master" if self.is_primary else "slave",
            "connected_slaves": len(self.feeds),
            "master_replid": self.generation,
        }
        return Verbatim("".join(f"{name}:{value}\r\n" for name, value in lines.items()).encode())

    def _config(self, _session: Session, args: Args) -> Reply:
        match [args[0].upper(), *args[1:]]:
            case [b"SET", b"maxmemory", size]:
                self.maxmemory = int(size)
            case [b"SET", b"maxmemory-policy", policy]:
                self.policy = policy.decode()
            case _:
                raise Refused("ERR Unknown option or number of arguments for CONFIG SET")
        return OK

    def _client(self, _session: Session, args: Args) -> Reply:
        """Clients say what they are called. Nobody asks."""
        if args[0].upper() not in (b"SETINFO", b"SETNAME"):
            raise Refused("ERR unknown subcommand")
        return OK

    def _ping(self, _session: Session, args: Args) -> Reply:
        return args[0] if args else Simple("PONG")

    def _echo(self, _session: Session, args: Args) -> Reply:
        return args[0]

    def _flushall(self, _session: Session, _args: Args) -> Reply:
        self.keys.clear()
        return OK


_OWN: Final[dict[bytes, Callable[[ModelServer, Session, Args], Reply]]] = {
    b"CLIENT": ModelServer._client,
    b"CONFIG": ModelServer._config,
    b"ECHO": ModelServer._echo,
    b"EVAL": ModelServer._eval,
    b"EVALSHA": ModelServer._evalsha,
    b"FLUSHALL": ModelServer._flushall,
    b"HELLO": ModelServer._hello,
    b"INFO": ModelServer._info,
    b"PING": ModelServer._ping,
    b"PUBSUB": ModelServer._pubsub,
    b"SCRIPT": ModelServer._script,
    b"SPUBLISH": ModelServer._spublish,
    b"SSUBSCRIBE": ModelServer._ssubscribe,
    b"SUNSUBSCRIBE": ModelServer._sunsubscribe,
    b"WAIT": ModelServer._wait,
}
