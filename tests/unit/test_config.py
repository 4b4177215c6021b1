"""Settings: every problem at once, every limit at its bound, no secret shown."""

from pathlib import Path

import pytest

from websocket_handler import config
from websocket_handler.config import ConfigurationError, Settings, describe, from_environment, redacted
from websocket_handler.config_rules import WRITE_MARGIN_BYTES
from websocket_handler.protocol.names import Agent

NEEDED = {
    "SQS_QUEUE_URL_PM": "https://sqs.example/1/pm",
    "SQS_QUEUE_URL_DEV": "https://sqs.example/1/dev",
    "SQS_QUEUE_URL_QA": "https://sqs.example/1/qa",
    "SQS_QUEUE_URL_OPS": "https://sqs.example/1/ops.fifo",
    "DYNAMODB_TABLE_NAME": "table",
}


def problems(**environment: str) -> dict[str, str]:
    """What is wrong, by variable."""
    with pytest.raises(ConfigurationError) as caught:
        from_environment({**NEEDED, **environment})
    return {problem.variable: problem.reason for problem in caught.value.problems}


def test_the_required_variables_are_enough() -> None:
    settings = from_environment(NEEDED)
    assert settings.queue_urls[Agent.OPS] == "https://sqs.example/1/ops.fifo"
    assert (settings.websocket_port, settings.max_message_bytes, settings.log_store) == (8080, 65536, "")


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment(
            {"WEBSOCKET_PORT": "x", "AUTH_MODE": "magic", "SQS_QUEUE_URL_PM": "nonsense", "CONSOLE": "maybe"}
        )
    found = [problem.variable for problem in caught.value.problems]
    assert sorted(found) == sorted({*NEEDED, "WEBSOCKET_PORT", "AUTH_MODE", "CONSOLE"})
    assert all(variable in str(caught.value) for variable in found)


def test_blank_is_unset_and_space_around_a_value_is_no_part_of_it() -> None:
    settings = from_environment({**NEEDED, "WEBSOCKET_PORT": "  ", "NODE_ID": " n1 ", "MAX_CONNECTIONS": " 5 "})
    assert (settings.websocket_port, settings.node_id, settings.max_connections) == (8080, "n1", 5)


def test_unknown_variables_are_somebody_elses() -> None:
    assert from_environment({**NEEDED, "PATH": "/bin", "WEBSOCKET_PROT": "1"}) == from_environment(NEEDED)


BOUNDED = [row for row in describe({}) if " to " in row.limits]


@pytest.mark.parametrize("row", BOUNDED, ids=lambda row: row.variable)
def test_limits_hold_at_the_bound_and_one_beyond(row: config.Described) -> None:
    low, high = row.limits.split(" to ")
    room = {"OUTBOX_BYTES": "67108864"} if row.variable != "OUTBOX_BYTES" else {"MAX_MESSAGE_BYTES": "1024"}
    room["LOG_STORE"] = "memory"  # the only one that takes the largest message
    for value in (low, high):
        assert from_environment({**NEEDED, **room, row.variable: value}) is not None
    for value in (str(float(low) - 1), str(float(high) + 1)):
        text = value.removesuffix(".0")
        assert row.variable in problems(**room, **{row.variable: text})


@pytest.mark.parametrize("variable", ["COMMIT_LINGER_MS", "FORWARD_LINGER_MS"])
def test_a_linger_is_at_most_half_a_second(variable: str) -> None:
    settings = from_environment({**NEEDED, variable: "500"})
    assert 500 in (settings.commit_linger_ms, settings.forward_linger_ms)
    assert "500" in problems(**{variable: "501"})[variable]


@pytest.mark.parametrize("row", [row for row in describe({}) if "at least" in row.limits], ids=lambda row: row.variable)
def test_lower_limits_hold_at_the_bound_and_one_below(row: config.Described) -> None:
    low = row.limits.removeprefix("at least ")
    assert from_environment({**NEEDED, row.variable: low}) is not None
    assert row.variable in problems(**{row.variable: str(float(low) - 1).removesuffix(".0")})


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("", ("0.0.0.0",)),
        ("::", ("::",)),
        ("[::]", ("::",)),
        ("127.0.0.1,::1,", ("127.0.0.1", "::1")),
        (" 10.0.0.1 , fe80::1%eth0, gateway-1.internal", ("10.0.0.1", "fe80::1%eth0", "gateway-1.internal")),
        ("::ffff:10.0.0.1", ("::ffff:10.0.0.1",)),
    ],
)
def test_a_gateway_may_listen_on_several_addresses(value: str, hosts: tuple[str, ...]) -> None:
    assert from_environment({**NEEDED, "WEBSOCKET_HOST": value}).listen_hosts == hosts


@pytest.mark.parametrize(
    "value",
    ["0.0.0.0:8080", "http://0.0.0.0", "a b", ",", "127.0.0.1,*", "localhost:8080", "[::]:80", "[::", "10.0.0.0/8"],
)
def test_what_is_no_address_to_listen_on_is_told(value: str) -> None:
    assert "WEBSOCKET_PORT" in problems(WEBSOCKET_HOST=value)["WEBSOCKET_HOST"]


@pytest.mark.parametrize("value", ["", "ftp://host/x", "host", "https://", "http:///path"])
def test_a_queue_is_named_by_its_url(value: str) -> None:
    assert "SQS_QUEUE_URL_QA" in problems(SQS_QUEUE_URL_QA=value)


def test_an_endpoint_and_an_updates_queue_are_urls_too() -> None:
    assert set(problems(AWS_ENDPOINT_URL="localhost:1", SQS_QUEUE_URL_UPDATES="q")) == {
        "AWS_ENDPOINT_URL",
        "SQS_QUEUE_URL_UPDATES",
    }


def test_an_outbox_has_room_for_two_messages() -> None:
    message = 65_536
    least = 2 * (message + WRITE_MARGIN_BYTES)
    assert from_environment({**NEEDED, "OUTBOX_BYTES": str(least)}).outbox_bytes == least
    assert set(problems(OUTBOX_BYTES=str(least - 1))) == {"OUTBOX_BYTES"}
    assert set(problems(MAX_MESSAGE_BYTES="200000")) == {"OUTBOX_BYTES"}


@pytest.mark.parametrize("store", [{}, {"LOG_STORE": "dynamodb"}], ids=["default", "dynamodb"])
def test_a_message_is_no_larger_than_the_log_store_takes(store: dict[str, str]) -> None:
    room = {"OUTBOX_BYTES": "67108864", **store}
    assert from_environment({**NEEDED, **room, "MAX_MESSAGE_BYTES": "400000"}).max_message_bytes == 400_000
    reason = "must be at most 400000 with LOG_STORE=dynamodb"
    assert problems(**room, MAX_MESSAGE_BYTES="400001") == {"MAX_MESSAGE_BYTES": reason}
    memory = {**room, "LOG_STORE": "memory", "MAX_MESSAGE_BYTES": "1048576"}
    assert from_environment({**NEEDED, **memory}).max_message_bytes == 1_048_576


VALKEY = {"LOG_STORE": "valkey", "VALKEY_URL": "rediss://me:hidden@cache"}


def test_logs_in_valkey_bring_their_backplane() -> None:
    assert from_environment({**NEEDED, **VALKEY}).has_backplane
    assert from_environment({**NEEDED, "BACKPLANE": "valkey", "VALKEY_URL": "redis://cache"}).has_backplane
    assert not from_environment({**NEEDED, "VALKEY_URL": "redis://cache"}).has_backplane
    assert not from_environment(NEEDED).has_backplane


@pytest.mark.parametrize(
    ("environment", "variable", "reason"),
    [
        ({"LOG_STORE": "valkey"}, "VALKEY_URL", "is required with LOG_STORE=valkey"),
        ({"BACKPLANE": "valkey"}, "VALKEY_URL", "is required with BACKPLANE=valkey"),
        ({**VALKEY, "BACKPLANE": "none"}, "BACKPLANE", "must be valkey with LOG_STORE=valkey"),
        ({**VALKEY, "LOG_STORE": "memory", "BACKPLANE": "valkey"}, "BACKPLANE", "must be none with LOG_STORE=memory"),
        ({"VALKEY_URL": "http://cache"}, "VALKEY_URL", "begins with redis://"),
        ({"VALKEY_URL": "redis://:hidden@a,b"}, "VALKEY_URL", "needs ?sentinel=NAME"),
    ],
)
def test_settings_of_many_nodes_fit_together(environment: dict[str, str], variable: str, reason: str) -> None:
    found = problems(**environment)
    assert set(found) == {variable}
    assert reason in found[variable]
    assert "hidden" not in found[variable]


def test_the_password_of_the_server_is_not_shown() -> None:
    assert "hidden" not in str(describe({**NEEDED, **VALKEY}))


def test_numbers_are_not_guessed() -> None:
    for value in ("0x10", "1_000", "1.5", "true", "ten"):
        assert "MAX_CONNECTIONS" in problems(MAX_CONNECTIONS=value)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "NaN"])
def test_a_number_that_is_none_is_no_setting(value: str) -> None:
    assert "PING_INTERVAL_S" in problems(PING_INTERVAL_S=value)
    assert "COMMANDS_PER_SECOND" in problems(COMMANDS_PER_SECOND=value)


def test_every_setting_is_described_with_its_value_default_unit_and_limits() -> None:
    rows = {row.variable: row for row in describe({**NEEDED, "WEBSOCKET_PORT": "9000"})}
    assert set(rows) == {name.upper() for name in Settings.__struct_fields__}
    port = rows["WEBSOCKET_PORT"]
    assert (port.value, port.default, port.limits) == ("9000", "8080", "0 to 65535")
    assert rows["SQS_QUEUE_URL_PM"].default == "required"
    assert rows["LOG_STORE"].limits == "memory | dynamodb | valkey"
    assert rows["PING_INTERVAL_S"].unit == "s"
    assert all(row.description for row in rows.values())


def test_what_is_described_is_told_even_when_it_cannot_be_used() -> None:
    rows = {row.variable: row.value for row in describe({"WEBSOCKET_PORT": "x"})}
    assert (rows["WEBSOCKET_PORT"], rows["SQS_QUEUE_URL_PM"]) == ("x", "")


def test_credentials_in_a_url_are_not_shown() -> None:
    address = "https://user:pass@word@host/path?x=1"
    assert redacted(address) == "https://***@host/path?x=1"
    assert redacted("https://host/a@b") == "https://host/a@b"
    assert redacted("plain") == "plain"
    shown = {row.variable: row.value for row in describe({"AWS_ENDPOINT_URL": address})}
    assert "pass" not in shown["AWS_ENDPOINT_URL"]


def test_secrets_are_not_shown() -> None:
    shown = {row.variable: row.value for row in describe({"JWT_SECRETS": "abc", "JWT_PUBLIC_KEYS": "-----BEGIN x"})}
    assert shown["JWT_SECRETS"] == shown["JWT_PUBLIC_KEYS"] == config.HIDDEN


QUEUES_IN_EUROPE = {
    variable: f"https://sqs.eu-west-1.amazonaws.com/123456789012/{variable[-3:].lower()}"
    for variable in NEEDED
    if variable.startswith("SQS")
}


@pytest.fixture
def no_files(tmp_path: Path) -> dict[str, str]:
    """An environment without any of AWS's files."""
    return {"HOME": str(tmp_path)}


def region_row(environment: dict[str, str]) -> config.Described:
    """What `config` prints of the region."""
    return next(row for row in describe({**NEEDED, **environment}) if row.variable == "AWS_REGION")


@pytest.mark.parametrize(
    ("environment", "region", "source"),
    [
        ({}, "us-east-1", "no setting names one"),
        (QUEUES_IN_EUROPE, "eu-west-1", "SQS_QUEUE_URL_PM"),
        ({**QUEUES_IN_EUROPE, "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1", "AWS_DEFAULT_REGION"),
        ({"AWS_DEFAULT_REGION": "eu-west-2", "AWS_REGION": "eu-west-3"}, "eu-west-3", "AWS_REGION"),
    ],
)
def test_the_region_is_the_one_in_use_and_says_where_it_is_from(
    environment: dict[str, str], region: str, source: str, no_files: dict[str, str]
) -> None:
    environment = {**no_files, **environment}
    row = region_row(environment)
    assert from_environment({**NEEDED, **environment}).aws_region == row.value == region
    assert row.description.endswith(f"Now from: {source}")


def test_the_region_of_the_profile_is_used(no_files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile work]\nregion = ap-south-1\n")
    environment = {**no_files, "AWS_PROFILE": "work"}
    assert from_environment({**NEEDED, **environment}).aws_region == "ap-south-1"
    assert region_row(environment).description.endswith("Now from: profile work in ~/.aws/config")


def test_a_profile_that_is_not_there_is_told(no_files: dict[str, str]) -> None:
    assert "'nobody'" in problems(**no_files, AWS_PROFILE="nobody")["AWS_PROFILE"]
    assert "'nobody'" in region_row({**no_files, "AWS_PROFILE": "nobody"}).description


@pytest.mark.parametrize(
    ("environment", "variables"),
    [
        ({"AWS_REGION": "us-east-1", **QUEUES_IN_EUROPE}, set(QUEUES_IN_EUROPE)),
        ({"AWS_DEFAULT_REGION": "us-east-1", **QUEUES_IN_EUROPE}, set(QUEUES_IN_EUROPE)),
        (
            {**QUEUES_IN_EUROPE, "SQS_QUEUE_URL_OPS": "https://eu-west-2.queue.amazonaws.com/1/ops.fifo"},
            {"SQS_QUEUE_URL_OPS"},
        ),
        (
            {**QUEUES_IN_EUROPE, "SQS_QUEUE_URL_UPDATES": "https://queue.amazonaws.com/1/updates"},
            {"SQS_QUEUE_URL_UPDATES"},
        ),
        (
            {**QUEUES_IN_EUROPE, "DYNAMODB_TABLE_NAME": "arn:aws:dynamodb:us-west-2:1:table/state"},
            {"DYNAMODB_TABLE_NAME"},
        ),
        (
            {"AWS_REGION": "cn-north-1", "AWS_ENDPOINT_URL_SQS": "https://sqs.cn-northwest-1.amazonaws.com.cn"},
            {"AWS_ENDPOINT_URL_SQS"},
        ),
        (
            {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "https://v-1.sqs.eu-west-2.vpce.amazonaws.com"},
            {"AWS_ENDPOINT_URL"},
        ),
        (
            {"AWS_REGION": "eu-west-1", "TARGET_GROUP_ARN": "arn:aws:elasticloadbalancing:eu-west-2:1:targetgroup/g/1"},
            {"TARGET_GROUP_ARN"},
        ),
        ({"AWS_REGION": "EU (Ireland)"}, {"AWS_REGION"}),
        ({"AWS_DEFAULT_REGION": "eu_west_1"}, {"AWS_DEFAULT_REGION"}),
    ],
)
def test_regions_that_contradict_each_other_are_told(
    environment: dict[str, str], variables: set[str], no_files: dict[str, str]
) -> None:
    assert set(problems(**no_files, **environment)) == variables


def test_a_contradiction_names_both_sides(no_files: dict[str, str]) -> None:
    found = problems(**no_files, AWS_DEFAULT_REGION="us-east-1", **QUEUES_IN_EUROPE)
    assert found["SQS_QUEUE_URL_PM"] == (
        "names the region eu-west-1, but AWS_DEFAULT_REGION names us-east-1: set AWS_REGION, or correct one"
    )


def test_the_updates_queue_is_no_agents_queue() -> None:
    """The gateway would take the agent's tasks for updates: everybody who follows the project would read them."""
    url = NEEDED["SQS_QUEUE_URL_DEV"]
    for updates in (url, url + "/"):
        shared = config.shared_queues(from_environment({**NEEDED, "SQS_QUEUE_URL_UPDATES": updates}))
        assert list(shared) == ["SQS_QUEUE_URL_DEV"]
    same = dict.fromkeys(("SQS_QUEUE_URL_PM", "SQS_QUEUE_URL_QA", "SQS_QUEUE_URL_UPDATES"), url)
    assert len(config.shared_queues(from_environment({**NEEDED, **same}))) == 3
    for updates in ("", url + "-updates"):
        assert config.shared_queues(from_environment({**NEEDED, "SQS_QUEUE_URL_UPDATES": updates})) == {}
