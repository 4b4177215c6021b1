"""Who is connected, and who follows a project, on all nodes: this node's part from its memory, the others' from the
directory. A node that runs alone has no directory."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from websocket_handler.delivery.listing import listed
from websocket_handler.delivery.node import Node
from websocket_handler.ports.directory import Directory, Listed, Present, Unanswered
from websocket_handler.protocol.codes import CommandError, ErrorCode

Found = Callable[[Present | CommandError], None]


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """A node that lives: how many connections it has, and if it is going away."""

    node_id: str
    connections: int
    is_draining: bool


@dataclass(frozen=True, slots=True)
class Connections:
    """How many connections there are, and a page of them. `nodes` is empty on a node that runs alone."""

    count: int
    page: Sequence[Listed]
    nodes: Sequence[NodeLoad] = ()


Counted = Callable[[Connections | CommandError], None]


class Census:
    """Answers questions about all nodes. Each `done` is called once; on a node that runs alone, before the method
    returns."""

    def __init__(
        self,
        node: Node,
        directory: Directory | None,
        node_id: str,
        others: Callable[[], Sequence[str]],
        draining: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`others` gives the ids of the other nodes that live, `draining` those of the nodes that are going away."""
        self._node = node
        self._directory = directory
        self._node_id = node_id
        self._others = others
        self._draining = draining

    def presence(self, project_id: str, done: Found) -> None:
        """Find who follows a project: the first ones by name, and how many there are. This node's come first."""
        if self._directory is None or not self._others():
            done(self._present(project_id, {}))
            return

        def found(answer: Mapping[str, Present] | Unanswered) -> None:
            done(_unavailable(answer) if isinstance(answer, Unanswered) else self._present(project_id, answer))

        self._directory.present(project_id, found)

    def _present(self, project_id: str, by_node: Mapping[str, Present]) -> Present:
        own = self._node.presence(project_id)
        elsewhere = [by_node[node_id] for node_id in self._others() if node_id in by_node]
        names = [(one.connection_id, one.connected_at) for one in own]
        names += [name for present in elsewhere for name in present.connections]
        count = len(own) + sum(present.count for present in elsewhere)
        return Present(count, tuple(names[: self._node.limits.presence_listed]))

    def connections(self, after: str, limit: int, done: Counted) -> None:
        """Find the connections of all nodes: a page of those after the id `after`, in the order of their ids."""
        others = [node_id for node_id in self._others() if node_id != self._node_id]
        if self._directory is None or not others:
            done(self._page({}, after, limit))
            return

        def found(answer: Sequence[Listed] | Unanswered) -> None:
            if isinstance(answer, Unanswered):
                done(_unavailable(answer))
            else:
                done(self._page({each.connection_id: each for each in answer}, after, limit))

        self._directory.listed(others, found)

    def _page(self, elsewhere: Mapping[str, Listed], after: str, limit: int) -> Connections:
        own = self._node.connections
        ids = sorted(own.keys() | elsewhere.keys())
        page = ids[bisect_right(ids, after) :][:limit]
        found = [listed(own[one], self._node_id) if one in own else elsewhere[one] for one in page]
        return Connections(len(ids), found, self._loads(elsewhere))

    def _loads(self, elsewhere: Mapping[str, Listed]) -> Sequence[NodeLoad]:
        """This node first. A connection that two nodes list is on this one."""
        if self._directory is None:
            return ()
        counts, draining = Counter(each.node_id for each in elsewhere.values()), self._draining()
        counts[self._node_id] = len(self._node.connections)
        names = dict.fromkeys([self._node_id, *self._others()])
        return [NodeLoad(name, counts[name], name in draining) for name in names]


def _unavailable(answer: Unanswered) -> CommandError:
    return CommandError(ErrorCode.STORE_UNAVAILABLE, f"the other nodes cannot be asked: {answer.reason}")
