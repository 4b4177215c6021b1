"""One server process: its open projects, its connections, and the operations that commands need."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from msgspec import Struct

from websocket_handler.access.rights import forbidden
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.observer import ConnectionObserver
from websocket_handler.hub.cursor import CursorState
from websocket_handler.hub.log import LogLimits, Publication, Start
from websocket_handler.logs.common_log import CommonLog, as_it_came, common_engine
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.feed import Feed, PageLimits
from websocket_handler.logs.lease_ends import LeaseEnds
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.project import Project
from websocket_handler.logs.projects import Projects
from websocket_handler.logs.queue import Published
from websocket_handler.ports.log_store import LogStore, always
from websocket_handler.protocol import publication
from websocket_handler.protocol.codec import invalid_project_id
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import SUBSCRIBE, Identity
from websocket_handler.protocol.json_text import JsonObject
from websocket_handler.protocol.messages import Position, Subscribe
from websocket_handler.protocol.names import OWN_LOG, is_project_id
from websocket_handler.protocol.publication import PreparedPublication
from websocket_handler.telemetry.counters import Counters

BROADCASTS: Final = ""
"""The log from which this node's clients get broadcasts. No project can have this id."""
COMMON_BROADCASTS: Final = "~broadcasts"
"""The log through which nodes tell each other of broadcasts. No project can have this id either."""
OWN_LOG_LIMITS: Final = LogLimits(messages=3600, bytes=4_194_304, seconds=3600.0)
"""How much a node keeps of what it tells about itself: an hour, one record a second."""


class Confirmed(Struct, frozen=True, gc=False):
    """A confirmed subscription. `position` is where it starts. `snapshot` is the push that follows the confirmation;
    empty if the client did not ask for one."""

    position: Position
    recovered: bool
    snapshot: bytes = b""


Subscribed = Callable[[Confirmed | CommandError], None]
Told = Callable[[CommandError | None], None]
"""Called once: with None when every node will do it, or with the reason why other nodes may not."""


def _nobody_asks(_answer: object) -> None:
    """For what nobody waits for."""


class Node:
    """The registry of projects and connections, and the operations on them. It runs in one thread and answers by
    callback; nothing here waits."""

    def __init__(
        self,
        engine: Engine,
        broadcast_store: LogStore,
        observer: ConnectionObserver,
        common_store: LogStore | None = None,
        own_store: LogStore | None = None,
    ) -> None:
        """`broadcast_store` keeps broadcasts for this node's slow clients, `own_store` what it tells about itself,
        and without it `broadcast_store` does. `common_store` keeps the logs that nodes write for each other; None if
        there are no other nodes to tell."""
        self.engine = engine
        self.limits: DeliveryLimits = engine.limits
        self.connections: dict[str, Connection] = {}
        self._counters = engine.counters
        self._observer = observer
        self._object_bytes_max = min(engine.limits.message_bytes, engine.store.limits.object_bytes)
        self.projects = Projects(engine)
        at_once = replace(engine.limits, commit_linger_s=0.0)  # no write to this log has a price
        broadcasting = replace(
            engine, store=broadcast_store, limits=at_once, finish=as_it_came, are_resets_told=False, has_runs=False
        )
        self._broadcasts = Project(BROADCASTS, broadcasting)
        self._lease_ends = LeaseEnds(self.projects, engine)
        self._common_broadcasts: CommonLog | None = None
        if common_store is not None:
            common = common_engine(engine, common_store, engine.limits.log)
            self._common_broadcasts = CommonLog(COMMON_BROADCASTS, common, _Broadcasts(self._broadcast_here))
            self.projects.share(self._common_broadcasts)
        own_limits = replace(at_once, log=OWN_LOG_LIMITS)
        self.projects.own_engines[OWN_LOG] = replace(
            engine, store=own_store or broadcast_store, limits=own_limits, counters=Counters(), has_peers=False
        )

    # Projects

    def project(self, project_id: str) -> Project:
        """The project; it is opened if it is not open yet. Raises CommandError: `invalid_project_id`,
        `too_many_projects`."""
        return self.projects.get(project_id)

    def sweep(self) -> None:
        """Remove publications and projects that are too old, unused or too many. Called every few seconds."""
        self.projects.sweep()
        self._broadcasts.journal.log.trim(self.engine.clock.wall())

    def end_leases(self) -> None:
        """End the runs whose agents are gone. Called a few times in each lease."""
        self._lease_ends.look()

    # Connections

    def register(self, connection: Connection) -> None:
        """Take a connection in. Raises CommandError with `too_many_connections`."""
        self.check_room()
        self.connections[connection.connection_id] = connection
        self._counters.connections_opened += 1
        if connection.identity is not None:
            self.follow_broadcasts(connection)

    def follow_broadcasts(self, connection: Connection) -> None:
        """From now on the connection gets broadcasts. Called as soon as the client has authenticated."""
        connection.broadcasts = (self._broadcasts, self._broadcasts.fan_out.attach(connection))
        self._observer.changed(connection)

    @property
    def is_full(self) -> bool:
        """True while the node takes no further connection."""
        return 0 < self.limits.connections <= len(self.connections)

    def check_room(self, subscriptions: int = 0) -> None:
        """Raises CommandError unless one more connection may come in that follows this many projects at once:
        `too_many_connections`, `too_many_subscriptions`."""
        if 0 < self.limits.connections <= len(self.connections):  # `is_full`, without a call
            raise CommandError(
                ErrorCode.TOO_MANY_CONNECTIONS,
                "this node holds as many connections as it can",
                setting="MAX_CONNECTIONS",
            )
        if 0 < self.limits.subscriptions < subscriptions:
            raise self._too_many_subscriptions()

    def _too_many_subscriptions(self) -> CommandError:
        reason = f"a connection follows at most {self.limits.subscriptions} projects"
        return CommandError(ErrorCode.TOO_MANY_SUBSCRIPTIONS, reason, setting="MAX_SUBSCRIPTIONS")

    def unregister(self, connection: Connection) -> None:
        """Remove a connection and all its subscriptions. Doing it twice changes nothing."""
        if not connection.is_open:
            return
        connection.is_open = False
        del self.connections[connection.connection_id]
        for project, cursor in connection.subscriptions.values():
            project.fan_out.end_cursor(cursor)
        if connection.broadcasts is not None:
            self._broadcasts.fan_out.end_cursor(connection.broadcasts[1])
        self._observer.gone(connection)

    def presence(self, project_id: str) -> Sequence[Connection]:
        """The connections that follow a project on this node."""
        project = self.projects.find(project_id)
        if project is None:
            return ()
        return [subscriber for subscriber in project.fan_out.subscribers if isinstance(subscriber, Connection)]

    # Subscriptions

    def subscribe(self, connection: Connection, command: Subscribe, done: Subscribed) -> None:
        """Follow a project. `done` is called once, before anything of the project is delivered."""
        followed = connection.subscriptions.get(command.project_id)
        if followed is not None:
            project, cursor = followed
            project.fan_out.when_started(cursor, partial(self._confirm_again, connection, command, done))
            return
        if 0 < self.limits.subscriptions <= len(connection.subscriptions):
            raise self._too_many_subscriptions()
        project = self.project(command.project_id)
        since = command.since if isinstance(command.since, Position) else None
        rewind = command.rewind if isinstance(command.rewind, int) else None
        started = partial(self._started, connection, project, since, done)
        if command.from_ == "snapshot":
            place = project.fan_out.subscribe_from_snapshot(connection, project.saved_runs, started, folds=command.fold)
        else:
            place = project.fan_out.subscribe(connection, since, rewind, started, folds=command.fold)
        if connection.is_open and place.is_live:
            connection.subscriptions[command.project_id] = (project, place)
            self._observer.changed(connection)

    def _confirm_again(self, connection: Connection, command: Subscribe, done: Subscribed) -> None:
        """Confirm a subscription that exists already. Nothing is sent again."""
        followed = connection.subscriptions.get(command.project_id)
        if followed is not None and followed[1].state is not CursorState.STARTING:
            project, cursor = followed
            done(Confirmed(project.fan_out.position(cursor), recovered=True))
            return
        try:  # the first one was refused, or ended meanwhile; another one may exist by now
            self.subscribe(connection, command, done)
        except CommandError as fault:
            done(fault)

    def _started(
        self,
        connection: Connection,
        project: Project,
        since: Position | None,
        done: Subscribed,
        start: Start | CommandError,
    ) -> bool:
        identity = connection.identity
        if identity is None or not identity.may(SUBSCRIBE, project.project_id):
            start = forbidden()  # a new token came meanwhile, and it permits less
        if isinstance(start, CommandError):
            connection.subscriptions.pop(project.project_id, None)
            self._observer.changed(connection)
            done(start)
            return False
        if since is not None:
            self._counters.recoveries["recovered" if start.recovered else "lost"] += 1
        done(Confirmed(Position(project.reader.epoch, start.offset), start.recovered, start.snapshot))
        return True

    def end_forbidden(self, connection: Connection, identity: Identity) -> list[str]:
        """End the subscriptions that an identity does not permit. Returns their projects. A subscription that has not
        started yet is checked when it starts."""
        ended: list[str] = []
        for project_id, (project, cursor) in list(connection.subscriptions.items()):
            if cursor.state is not CursorState.STARTING and not identity.may(SUBSCRIBE, project_id):
                project.fan_out.end_cursor(cursor)
                del connection.subscriptions[project_id]
                ended.append(project_id)
        self._observer.changed(connection)  # also if only the end of its token has changed
        return ended

    def unsubscribe(self, connection: Connection, project_id: str, done: Callable[[], None]) -> None:
        """Stop following a project. `done` is called once nothing more of the project will be delivered."""
        followed = connection.subscriptions.get(project_id)
        if followed is None:
            done()
            return
        project, cursor = followed

        def end() -> None:
            project.fan_out.end_cursor(cursor)
            if connection.subscriptions.get(project_id) == followed:
                del connection.subscriptions[project_id]
                self._observer.changed(connection)
            self.unsubscribe(connection, project_id, done)  # another one may have begun after it

        project.fan_out.when_started(cursor, end)

    # Reading

    def feed(
        self,
        project_id: str,
        *,
        after: int = 0,
        epoch: str | None = None,
        limits: PageLimits | None = None,
        folds: bool = False,
        is_over: Callable[[], bool] = lambda: False,
        is_wanted: Callable[[], bool] = always,
    ) -> Feed:
        """Make a pull cursor on a project's log. Without `limits` its pages are as large as those of `history`. If it
        `folds`, the deltas in its pages are joined. Raises CommandError: `invalid_project_id`, `too_many_projects`."""
        most = limits or PageLimits(self.limits.history_page_messages, self.limits.history_page_bytes)
        project = self.project(project_id)
        return project.feed(most, after=after, epoch=epoch, folds=folds, is_over=is_over, is_wanted=is_wanted)

    # Publishing

    def check_size(self, payload: bytes) -> None:
        """Raises CommandError with `message_too_large` unless the object is small enough to be published."""
        if len(payload) > self._object_bytes_max:
            reason = f"a published object has at most {self._object_bytes_max} bytes"
            raise CommandError(ErrorCode.MESSAGE_TOO_LARGE, reason)

    def prepare(self, message: JsonObject, project_id: str, key: str = "") -> PreparedPublication:
        """Make a publication of an object that was parsed where it came in. Raises CommandError: `invalid_project_id`,
        `message_too_large`, `forbidden` for the node's own log, and the errors of `publication.prepare`."""
        if project_id == OWN_LOG:
            raise forbidden()
        if project_id not in self.projects.open and not is_project_id(project_id):
            raise invalid_project_id()
        if len(message.body) > self._object_bytes_max:
            self.check_size(message.body)
        return publication.prepare(message, project_id, key)

    def publish(self, prepared: PreparedPublication, done: Published) -> None:
        """Append a publication to its project's log. `done` is called after the commit. Raises CommandError:
        `overloaded`, `store_unavailable`, `too_many_projects`; then nothing was done."""
        self.projects.get(prepared.project_id).journal.publish(prepared, done)

    def publish_all(self, batch: Sequence[tuple[PreparedPublication, Published]]) -> None:
        """Append publications to the log of one project, all or none of them. Raises as `publish` does."""
        journal = self.project(batch[0][0].project_id).journal
        journal.check_room(len(batch), sum(prepared.size for prepared, _ in batch))
        for prepared, done in batch:
            journal.publish(prepared, done)

    def tell(self, message: JsonObject) -> None:
        """Append an object to the log in which this node tells about itself."""
        with suppress(CommandError):  # a record that finds no room is lost, and the next one comes
            self.projects.get(OWN_LOG).journal.publish(publication.prepare(message, OWN_LOG, ""), _nobody_asks)

    def prepare_broadcast(self, message: JsonObject) -> PreparedPublication:
        """Make a broadcast of an object. Raises CommandError: `message_too_large`, and the errors of
        `publication.prepare_broadcast`."""
        self.check_size(message.body)
        return publication.prepare_broadcast(message)

    def broadcast(self, prepared: PreparedPublication, done: Told = _nobody_asks) -> int:
        """Send a broadcast to every connection of every node. Returns how many connections this node has. `done` is
        called when the broadcast is sent here, and is where the other nodes find it. Raises CommandError: `overloaded`,
        `store_unavailable`; then nothing was done."""
        if self._common_broadcasts is None:
            self._broadcast_here(prepared.head)
            done(None)
        else:
            self._common_broadcasts.write(prepared.head, partial(_told, done))
        return len(self.connections)

    def _broadcast_here(self, body: bytes) -> None:
        """Send a broadcast to every connection of this node. Raises CommandError: `overloaded`."""
        self._broadcasts.journal.publish(PreparedPublication(BROADCASTS, body, "", b"", len(body)), _nobody_asks)
        self._counters.broadcasts += 1


class _Broadcasts:
    """Sends what the common log of broadcasts says. What was there before this node met the log was for others."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send

    def began(self, entries: Sequence[Publication]) -> None:
        """See `Listener`."""

    def went_on(self, entries: Sequence[Publication]) -> None:
        """See `Listener`. Broadcasts that find no room are lost: they promise nothing to a client."""
        with suppress(CommandError):
            for entry in entries:
                self._send(entry.payload)


def _told(done: Told, answer: Position | CommandError) -> None:
    done(answer if isinstance(answer, CommandError) else None)
