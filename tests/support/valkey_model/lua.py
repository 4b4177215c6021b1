"""Runs the gateway's scripts, as they are, in the version of Lua that servers have. Only `redis.call` is a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from lupa import lua51

from tests.support.valkey_model.replies import Refused, Reply, Simple

SHEBANG: Final = "#!lua"
_RUNTIME: Final = lua51.LuaRuntime(encoding=None, register_eval=False)
_TABLE: Final = type(_RUNTIME.table())
Call = Callable[[list[bytes]], Reply]
_calls: list[Call] = []
"""Who carries out `redis.call` at the moment; the last one counts."""


def run(script: str, keys: Sequence[bytes], args: Sequence[bytes], call: Call) -> Reply:
    """What a script returns. `call` carries out its commands. Raises Refused."""
    function = _compiled(script)
    _calls.append(call)
    try:
        return _from_lua(function(_RUNTIME.table_from(keys), _RUNTIME.table_from(args)))
    except lua51.LuaError as error:
        raise Refused(f"ERR {error} script") from error
    finally:
        _calls.pop()


@cache
def _compiled(script: str) -> Any:
    first, _, rest = script.partition("\n")
    body = rest if first.startswith("#!") else script
    return _RUNTIME.execute(b"local call = ...; return function(KEYS, ARGV)\n%b\nend" % _bound(body).encode(), _called)


def _bound(body: str) -> str:
    """The script with its one name of the server's library."""
    return f"local redis = {{call = call}}\n{body}"


def _called(*parts: Any) -> Any:
    return _to_lua(_calls[-1]([_argument(part) for part in parts]))


def _argument(part: Any) -> bytes:
    if isinstance(part, bytes):
        return part
    assert isinstance(part, (int, float)), f"a command takes no {type(part)}"
    return b"%d" % part if part == int(part) else b"%.17g" % part


def _to_lua(reply: Reply) -> Any:
    """A reply as a script gets it: what is missing is False."""
    if reply is None:
        return False
    if isinstance(reply, Simple):
        return _RUNTIME.table_from({b"ok": str(reply).encode()})
    if isinstance(reply, dict):
        return _RUNTIME.table_from([_to_lua(part) for pair in reply.items() for part in pair])
    if isinstance(reply, list):
        return _RUNTIME.table_from([_to_lua(part) for part in reply])
    return reply


def _from_lua(value: Any) -> Reply:
    """What a script returned as a reply: numbers lose their fractions, and a list ends at its first nil."""
    if value is None or value is False:
        return None
    if value is True:
        return 1
    if isinstance(value, (int, float)):
        return int(value)
    if isinstance(value, bytes):
        return value
    assert isinstance(value, _TABLE), f"a script returned {value!r}"
    if (status := value[b"ok"]) is not None:
        return Simple(status.decode())
    found: list[Reply] = []
    while (part := value[len(found) + 1]) is not None:
        found.append(_from_lua(part))
    return found
