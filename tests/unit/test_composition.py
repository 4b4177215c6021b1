"""What a node's settings mean, as ports, options and edges: each setting arrives where it counts."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.nodes import NotedEvents
from tests.support.tokens import SECRET
from tests.support.virtual_time import in_virtual_time
from websocket_handler import composition
from websocket_handler.adapters.announced import AnnouncedLogStore
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogStore
from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.dynamodb_state import DynamoDbStateStore
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.sqs_updates import SqsUpdateSource
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.adapters.jwt.authenticator import JwtAuthenticator
from websocket_handler.adapters.memory import MemoryLogStore, MemoryPeers, NoRecords
from websocket_handler.adapters.valkey.backplane import ValkeyBackplane
from websocket_handler.adapters.valkey.peers import ValkeyPeers
from websocket_handler.assembly import CoreOptions, Ports, assemble
from websocket_handler.background import Background
from websocket_handler.config import Settings, from_environment
from websocket_handler.edges import MetricsOutput
from websocket_handler.net.entrance import Entrance
from websocket_handler.net.native_send import natively
from websocket_handler.ports.backplane import NoBackplane
from websocket_handler.ports.transport import one_by_one
from websocket_handler.telemetry.counters import Counters

NEEDED = {f"SQS_QUEUE_URL_{agent}": f"https://sqs.example/1/{agent}" for agent in ("PM", "DEV", "QA", "OPS")}
NEEDED |= {"DYNAMODB_TABLE_NAME": "table"}


def settings(**environment: str) -> Settings:
    return from_environment(NEEDED | environment)


def ports(**environment: str) -> Ports:
    """The ports of a node with these settings. A loop has to run."""
    log = NotedEvents()
    return composition.aws_ports(settings(**environment), AwsWire(Aws("us-east-1")), log, Counters(), Background(log))


def options(**environment: str) -> CoreOptions:
    return composition.core_options(settings(**environment), "node-7")


def entrance(**environment: str) -> Entrance:
    made = ports(**environment)
    return composition.make_entrance(settings(**environment), assemble(made, options(**environment)))


@in_virtual_time
async def test_logs_are_in_the_table_unless_the_operator_wants_them_in_memory() -> None:
    table, memory = ports(), ports(LOG_STORE="memory")
    assert isinstance(table.log_store, DynamoDbLogStore)
    assert isinstance(table.peers, DynamoDbPeers)
    assert isinstance(memory.log_store, MemoryLogStore)
    assert isinstance(memory.peers, MemoryPeers), "nobody else writes to these logs"
    assert isinstance(table.broadcast_store, MemoryLogStore)
    assert isinstance(table.backplane, NoBackplane)


@in_virtual_time
async def test_connections_are_recorded_in_the_table_unless_nobody_reads_it() -> None:
    assert isinstance(ports().state_store, DynamoDbStateStore)
    unread = ports(CONNECTION_RECORDS="off").state_store
    assert isinstance(unread, NoRecords)
    await unread.write([], ["connection"], 0.0)


@in_virtual_time
async def test_a_node_on_valkey_announces_what_it_writes() -> None:
    log = NotedEvents()
    background = Background(log)
    try:
        for store, peers in (("dynamodb", DynamoDbPeers), ("valkey", ValkeyPeers)):
            chosen = settings(LOG_STORE=store, BACKPLANE="valkey", VALKEY_URL="redis://127.0.0.1:1")
            made = composition.aws_ports(chosen, AwsWire(Aws("us-east-1")), log, Counters(), background)
            assert isinstance(made.log_store, AnnouncedLogStore)
            assert made.log_store.name == store
            assert isinstance(made.backplane, ValkeyBackplane)
            assert isinstance(made.peers, peers)
    finally:
        await background.end()


@in_virtual_time
async def test_updates_are_read_where_there_is_a_queue_for_them() -> None:
    assert ports().update_source is None
    assert isinstance(ports(SQS_QUEUE_URL_UPDATES="https://sqs.example/1/updates").update_source, SqsUpdateSource)


@in_virtual_time
async def test_tokens_are_verified_where_the_operator_wants_them() -> None:
    assert ports().authenticator is None
    assert isinstance(ports(AUTH_MODE="jwt", JWT_SECRETS=SECRET).authenticator, JwtAuthenticator)


@in_virtual_time
async def test_the_compiled_loop_sends_where_it_was_built_and_is_not_switched_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for is_built, setting, group in [(True, "on", natively), (True, "off", one_by_one), (False, "on", one_by_one)]:
        monkeypatch.setattr(composition, "IS_BUILT", is_built)
        assert composition.is_native(settings(NATIVE_SEND=setting)) == (group is natively)
        assert ports(NATIVE_SEND=setting).group is group


@in_virtual_time
async def test_what_nobody_may_guess_is_made_by_chance() -> None:
    made = ports()
    assert made.scheduler is asyncio.get_running_loop()
    ids = {made.new_id() for _ in range(100)} | {made.new_log_id() for _ in range(100)}
    assert len(ids) == 200
    assert made.memory_bytes() > 0


Reading = Callable[[CoreOptions], Any]
READ: dict[str, tuple[str, Reading, Any]] = {
    "MAX_MESSAGE_BYTES": ("2000", lambda o: (o.delivery.message_bytes, o.server.session.message_bytes), (2000, 2000)),
    "MAX_SUBSCRIPTIONS": ("7", lambda o: (o.delivery.subscriptions, o.server.greeting.subscriptions), (7, 7)),
    "MAX_CONNECTIONS": ("7", lambda o: o.delivery.connections, 7),
    "MAX_PROJECTS": ("7", lambda o: o.delivery.projects, 7),
    "OUTBOX_BYTES": ("200000", lambda o: (o.delivery.write_bytes, o.delivery.history_page_bytes), (100_000, 200_000)),
    "HISTORY_MESSAGES": ("7", lambda o: (o.delivery.log.messages, o.delivery.history_page_messages), (7, 7)),
    "HISTORY_BYTES": ("4096", lambda o: o.delivery.log.bytes, 4096),
    "HISTORY_SECONDS": ("77", lambda o: o.delivery.log.seconds, 77),
    "HISTORY_TOTAL_BYTES": ("2000000", lambda o: o.delivery.log_bytes_total, 2_000_000),
    "COMMANDS_PER_SECOND": ("7", lambda o: (o.server.session.commands_per_second,), (7,)),
    "BYTES_PER_SECOND": ("7", lambda o: o.server.session.bytes_per_second, 7),
    "PING_INTERVAL_S": ("7", lambda o: (o.keepalive.ping_interval_s, o.server.greeting.ping_interval_s), (7, 7)),
    "SLOW_CLIENT_TIMEOUT_S": ("7", lambda o: o.keepalive.slow_client_timeout_s, 7),
    "FORWARD_TIMEOUT_S": ("7", lambda o: o.forward.timeout_s, 7),
    "COMMIT_LINGER_MS": ("7", lambda o: o.delivery.commit_linger_s, 0.007),
    "FORWARD_LINGER_MS": ("7", lambda o: o.forward.linger_s, 0.007),
    "AUTH_TIMEOUT_S": ("7", lambda o: o.access.authentication_timeout_s, 7),
    "CONNECTIONS_PER_USER": ("7", lambda o: o.access.connections_per_user, 7),
    "ALLOW_TOKEN_IN_QUERY": ("on", lambda o: o.access.is_token_in_query_allowed, True),
    "HANDSHAKES_PER_SECOND": ("7", lambda o: o.admission.handshakes_per_second, 7),
    "CONNECTIONS_PER_ADDRESS": ("7", lambda o: o.admission.connections_per_address, 7),
    "TRUSTED_PROXY_HOPS": ("2", lambda o: o.admission.trusted_proxy_hops, 2),
    "MEMORY_LIMIT_BYTES": ("123456789", lambda o: o.admission.memory_limit_bytes, 123_456_789),
    "ALLOWED_ORIGINS": ("https://a.example", lambda o: o.allowed_origins, "https://a.example"),
    "SCALE_IN_PROTECTION_CONNECTIONS": ("7", lambda o: o.scale_in_protection_connections, 7),
}
"""Each setting, a value for it, where that value counts, and what must be there."""


@pytest.mark.parametrize("name", READ)
def test_a_setting_arrives_where_it_counts_and_nowhere_else(name: str) -> None:
    value, read, expected = READ[name]
    assert read(options(**{name: value})) == expected
    assert read(options()) != expected, "the value differs from the default"
    others = {other: reading(options(**{name: value})) for other, (_, reading, _) in READ.items() if other != name}
    assert others == {other: reading(options()) for other, (_, reading, _) in READ.items() if other != name}


@pytest.mark.parametrize(("rate", "told"), [("0", 0), ("0.001", 1), ("0.5", 1), ("1", 1), ("7.9", 7), ("100", 100)])
def test_a_slow_rate_is_not_told_as_none(rate: str, told: int) -> None:
    made = options(COMMANDS_PER_SECOND=rate)
    assert made.server.session.commands_per_second == float(rate)
    assert made.server.greeting.commands_per_second == told


def test_a_node_greets_with_its_own_name() -> None:
    assert options().server.greeting.node_id == "node-7"


@in_virtual_time
async def test_the_entrance_takes_what_the_settings_allow() -> None:
    usual = entrance(LOG_STORE="memory").options
    assert (usual.has_echo, usual.has_compression, usual.path) == (False, False, "/ws")
    changed = entrance(
        LOG_STORE="memory", DIAG_ECHO="1", COMPRESSION="on", HEAD_BYTES="16384", HANDSHAKE_TIMEOUT_S="7"
    ).options
    assert (changed.has_echo, changed.has_compression) == (True, True)
    assert (changed.head_bytes, changed.handshake_timeout_s) == (16_384, 7)


@in_virtual_time
async def test_metrics_are_written_where_the_operator_wants_them() -> None:
    background = Background(NotedEvents())
    for value, kinds in (("off", []), ("emf", [MetricsOutput])):
        made = ports(LOG_STORE="memory", METRICS=value)
        core = assemble(made, options(LOG_STORE="memory"))
        found = composition.metrics_output(settings(METRICS=value), core, background)
        assert [type(edge) for edge in found] == kinds


@in_virtual_time
async def test_a_load_balancer_is_watched_where_there_is_one() -> None:
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/gateway/0123456789abcdef"
    aws, log = AwsWire(Aws("us-east-1")), NotedEvents()
    assert composition.drain_signs(settings(), aws, log) == {}
    assert list(composition.drain_signs(settings(TARGET_GROUP_ARN=arn), aws, log)) == ["target"]
