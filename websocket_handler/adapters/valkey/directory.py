"""Who is connected to which node, in Valkey. `ws:on:{node}` is a hash of a node's connections, and `ws:{project}:on` a
hash from each node to who follows the project there. `ws:user:{user}:node` is how many connections a user has on that
node. All of it expires; a node that lives writes it again in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from websocket_handler.adapters.valkey.connection import Reply, packed
from websocket_handler.adapters.valkey.link import Failed, Link, done_or_failed
from websocket_handler.adapters.valkey.server import Unreachable
from websocket_handler.ports.directory import USER_COUNT_S, DirectoryUnavailable, Listed, Present, Unanswered

LIFETIME_S: Final = 24 * 3600
"""How long what was written last is kept. A node writes everything again long before."""
FIELDS_MAX: Final = 200
"""How many connections one command writes, and how many users one call."""
_encode: Final = msgspec.json.Encoder().encode
_listed: Final = msgspec.json.Decoder(Listed).decode
_present: Final = msgspec.json.Decoder(Present).decode


class ValkeyDirectory:
    """Keeps the directory over a link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @staticmethod
    def connections_key(node_id: str) -> str:
        """The key of a node's connections."""
        return f"ws:on:{{{node_id}}}"

    @staticmethod
    def project_key(project_id: str) -> str:
        """The key of who follows a project."""
        return f"ws:{{{project_id}}}:on"

    @staticmethod
    def user_key(user_id: str, node_id: str) -> str:
        """The key of how many connections a user has on a node."""
        return f"ws:user:{{{user_id}}}:{node_id}"

    async def write(
        self, node_id: str, changed: Sequence[Listed], gone: Sequence[str], present: Mapping[str, Present]
    ) -> None:
        """See the port."""
        key = self.connections_key(node_id)
        try:
            for start in range(0, len(gone), FIELDS_MAX):
                await self._link.ask("HDEL", key, *gone[start : start + FIELDS_MAX])
            for start in range(0, len(changed), FIELDS_MAX):
                part = changed[start : start + FIELDS_MAX]
                fields = [value for each in part for value in (each.connection_id, _encode(each))]
                await self._link.ask("HSET", key, *fields)
            if changed:
                await self._link.ask("EXPIRE", key, LIFETIME_S)
            for project_id, who in present.items():
                await self._write_present(node_id, self.project_key(project_id), who)
        except Unreachable as error:
            raise DirectoryUnavailable(str(error)) from error

    async def _write_present(self, node_id: str, key: str, who: Present) -> None:
        if not who.count:
            await self._link.ask("HDEL", key, node_id)
            return
        await self._link.ask("HSET", key, node_id, _encode(who))
        await self._link.ask("EXPIRE", key, LIFETIME_S)

    async def write_users(self, node_id: str, counts: Mapping[str, int]) -> None:
        """See the port."""
        commands = [
            packed("SET", self.user_key(user_id, node_id), count, "EX", round(USER_COUNT_S))
            if count
            else packed("DEL", self.user_key(user_id, node_id))
            for user_id, count in counts.items()
        ]
        try:
            for start in range(0, len(commands), FIELDS_MAX):
                part = commands[start : start + FIELDS_MAX]
                await self._link.ask_all(b"".join(part), len(part))
        except Unreachable as error:
            raise DirectoryUnavailable(str(error)) from error

    def user(self, user_id: str, node_ids: Sequence[str], done: Callable[[int | Unanswered], None]) -> None:
        """See the port."""
        if self._link.fault is not None:
            done(Unanswered(self._link.fault))
            return

        def answered(replies: Sequence[Reply] | Failed) -> None:
            replies = done_or_failed(replies)
            if isinstance(replies, Failed):
                done(Unanswered(replies.reason))
            else:
                done(sum(int(count) for count in cast("list[bytes | None]", replies) if count))

        commands = [packed("GET", self.user_key(user_id, node_id)) for node_id in node_ids]
        self._link.call(b"".join(commands), len(commands), answered)

    async def leave(self, node_id: str, projects: Sequence[str]) -> None:
        """See the port."""
        try:
            await self._link.ask("DEL", self.connections_key(node_id))
            for project_id in projects:
                await self._link.ask("HDEL", self.project_key(project_id), node_id)
        except Unreachable as error:
            raise DirectoryUnavailable(str(error)) from error

    def present(self, project_id: str, done: Callable[[Mapping[str, Present] | Unanswered], None]) -> None:
        """See the port."""

        def answered(replies: Sequence[Reply] | Failed) -> None:
            replies = done_or_failed(replies)
            if isinstance(replies, Failed):
                done(Unanswered(replies.reason))
            else:
                found = cast("dict[bytes, bytes]", replies[0])
                done({node_id.decode(): _present(who) for node_id, who in found.items()})

        self._link.call(packed("HGETALL", self.project_key(project_id)), 1, answered)

    def listed(self, node_ids: Sequence[str], done: Callable[[Sequence[Listed] | Unanswered], None]) -> None:
        """See the port."""
        if not node_ids:
            done(())
            return

        def answered(replies: Sequence[Reply] | Failed) -> None:
            replies = done_or_failed(replies)
            if isinstance(replies, Failed):
                done(Unanswered(replies.reason))
            else:
                values = [value for reply in replies for value in cast("list[Any]", reply)]
                done([_listed(value) for value in values])

        commands = [packed("HVALS", self.connections_key(node_id)) for node_id in node_ids]
        self._link.call(b"".join(commands), len(commands), answered)
