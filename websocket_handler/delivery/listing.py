"""Writes who is connected to this node into the directory that all nodes read. It works away from the hot path."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final

from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.observer import ConnectionObserver
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.directory import Directory, DirectoryUnavailable, Listed, Present

WRITE_INTERVAL_S: Final = 1.0
REFRESH_ROUNDS: Final = 6 * 3600
"""After so many rounds everything is written again, long before the directory forgets it."""
RETRY_INTERVAL_MAX_S: Final = 30.0


class Observers:
    """Tells several observers of what happens to connections."""

    def __init__(self, observers: Sequence[ConnectionObserver]) -> None:
        self._observers = observers

    def changed(self, connection: Connection) -> None:
        """See `ConnectionObserver`."""
        for observer in self._observers:
            observer.changed(connection)

    def gone(self, connection: Connection) -> None:
        """See `ConnectionObserver`."""
        for observer in self._observers:
            observer.gone(connection)


def listed(connection: Connection, node_id: str) -> Listed:
    """A connection of this node, as all nodes list it."""
    identity = connection.identity
    return Listed(
        connection.connection_id,
        connection.connected_at,
        "" if identity is None else identity.user_id,
        tuple(connection.subscriptions),
        node_id,
        None if identity is None else identity.expires_at,
    )


class Listing:
    """Observes a node's connections, and writes once a second what changed. A change that could not be written stays
    gathered: one entry for each connection and each project."""

    def __init__(self, directory: Directory, node_id: str, random: Random, listed_max: int) -> None:
        """`listed_max` is how many connections of a project are named; `count` is exact."""
        self._directory = directory
        self._node_id = node_id
        self._listed_max = listed_max
        self._backoff = Backoff(random.random, WRITE_INTERVAL_S, RETRY_INTERVAL_MAX_S)
        self._connections: dict[str, Listed] = {}
        """The open connections, as they are to be listed."""
        self._followers: dict[str, dict[str, float]] = {}
        """For each project, who follows it here, and since when they are connected."""
        self._changed: dict[str, None] = {}
        """Connections to write, open or gone."""
        self._projects: dict[str, None] = {}
        """Projects to write."""
        self._written: set[str] = set()
        """Connections that the directory may have, and the next one: projects for which it may have somebody. What it
        does not have need not be taken off, so an outage makes nothing grow."""
        self._written_projects: set[str] = set()

    @property
    def listed(self) -> Sequence[Listed]:
        """The open connections, as the directory has them or will have them."""
        return list(self._connections.values())

    def changed(self, connection: Connection) -> None:
        """See `ConnectionObserver`."""
        if not connection.is_open:
            return
        self._put(listed(connection, self._node_id))

    def _put(self, now: Listed) -> None:
        before = self._connections.get(now.connection_id)
        self._connections[now.connection_id] = now
        self._changed[now.connection_id] = None
        self._leave(now.connection_id, set(before.projects) - set(now.projects) if before else ())
        for project_id in now.projects:
            self._followers.setdefault(project_id, {})[now.connection_id] = now.connected_at
            if before is None or project_id not in before.projects:
                self._projects[project_id] = None

    def gone(self, connection: Connection) -> None:
        """See `ConnectionObserver`."""
        before = self._connections.pop(connection.connection_id, None)
        if before is not None:
            _note(self._changed, before.connection_id, is_needed=before.connection_id in self._written)
            self._leave(before.connection_id, before.projects)

    def _leave(self, connection_id: str, projects: Sequence[str] | set[str]) -> None:
        for project_id in sorted(projects):
            followers = self._followers[project_id]
            del followers[connection_id]
            if not followers:
                del self._followers[project_id]
            _note(self._projects, project_id, is_needed=bool(followers) or project_id in self._written_projects)

    async def run(self) -> None:
        """Write what changed, until cancelled. While writing fails, try less often."""
        failures = rounds = 0
        while True:
            await asyncio.sleep(max(WRITE_INTERVAL_S, self._backoff.delay_s(failures)))
            rounds += 1
            if rounds % REFRESH_ROUNDS == 0:
                self._changed.update(dict.fromkeys(self._connections))
                self._projects.update(dict.fromkeys(self._followers))
            failures = 0 if await self.write() else failures + 1

    async def write(self) -> bool:
        """Write what is gathered. Returns False if the directory could not take it."""
        changed, self._changed = self._changed, {}
        projects, self._projects = self._projects, {}
        if not changed and not projects:
            return True
        open_ones = [self._connections[one] for one in changed if one in self._connections]
        gone = [one for one in changed if one not in self._connections]
        self._written.update(one.connection_id for one in open_ones)
        self._written_projects.update(projects)
        try:
            await self._directory.write(self._node_id, open_ones, gone, {one: self._present(one) for one in projects})
        except DirectoryUnavailable:
            self._changed = {**changed, **self._changed}
            self._projects = {**projects, **self._projects}
            return False
        self._written.difference_update(one for one in gone if one not in self._connections)
        self._written_projects.difference_update(one for one in projects if one not in self._followers)
        return True

    def _present(self, project_id: str) -> Present:
        followers = self._followers.get(project_id, {})
        return Present(len(followers), tuple(followers.items())[: self._listed_max])

    async def leave(self) -> None:
        """Take this node's clients off the directory. If that fails, readers see that the node is gone."""
        try:
            await self._directory.leave(self._node_id, list(self._followers))
        except DirectoryUnavailable:
            return


def _note(gathered: dict[str, None], name: str, *, is_needed: bool) -> None:
    if is_needed:
        gathered[name] = None
    else:
        gathered.pop(name, None)
