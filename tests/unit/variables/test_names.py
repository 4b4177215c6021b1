"""Names that look like a setting: slips of the hand are found, and what belongs to others is left alone."""

import pytest

from websocket_handler.config import VARIABLES
from websocket_handler.variables.names import NAMES_MAX, hidden_mode, tell_unknown, unknown_names


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("WEBSOCKET_PROT", "WEBSOCKET_PORT"),
        ("WEBSOCKET_PORTS", "WEBSOCKET_PORT"),
        ("WEBSOCKETPORT", "WEBSOCKET_PORT"),
        ("websocket_port", "WEBSOCKET_PORT"),
        ("WEBSOCKET-PORT", "WEBSOCKET_PORT"),
        ("WEB_SOCKET_PORT", "WEBSOCKET_PORT"),
        ("WEBSOCKET_LOG_LEVEL", "LOG_LEVEL"),
        ("WEBSOCKET_HANDLER_MAX_CONNECTIONS", "MAX_CONNECTIONS"),
        ("\ufeffSQS_QUEUE_URL_PM", "SQS_QUEUE_URL_PM"),
        ("SQS_PM_QUEUE_URL", "SQS_QUEUE_URL_PM"),
        ("SQS_QUEUE_URL_UPDATE", "SQS_QUEUE_URL_UPDATES"),
        ("DYNAMODB_TABLE", "DYNAMODB_TABLE_NAME"),
        ("DYNAMO_DB_TABLE_NAME", "DYNAMODB_TABLE_NAME"),
        ("JWT_SECRET", "JWT_SECRETS"),
        ("JWT_PUBLIC_KEY", "JWT_PUBLIC_KEYS"),
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
        ("AUTH_MOED", "AUTH_MODE"),
        ("LOG_LEVLE", "LOG_LEVEL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("PING_INTERVAL", "PING_INTERVAL_S"),
        ("PING_INTERVAL_SECONDS", "PING_INTERVAL_S"),
        ("MESSAGE_BYTES_MAX", "MAX_MESSAGE_BYTES"),
        ("MAX_CONNECTION", "MAX_CONNECTIONS"),
        ("DRAIN_SECOND", "DRAIN_SECONDS"),
        ("AWS_REGOIN", "AWS_REGION"),
        ("CONSOEL", "CONSOLE"),
        ("WEBSOCKET_FOO", ""),
        ("JWT_COOKIE", ""),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_setting(name: str, near: str) -> None:
    assert unknown_names({name: "1"}, VARIABLES) == {name: near}


@pytest.mark.parametrize(
    "name",
    [
        *VARIABLES,
        "PATH",
        "HOME",
        "LANG",
        "HOSTNAME",
        "PORT",
        "NODE_IP",
        "NODE_ENV",
        "NODE_VERSION",
        "NODE_OPTIONS",
        "LOG_FILE",
        "LOG_DIR",
        "AUTH_TOKEN",
        "MAX_MEMORY",
        "CONSOLE_PORT",
        "RUST_LOG_LEVEL",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ACCESS_KEY_ID",
        "AWS_EXECUTION_ENV",
        "ECS_CONTAINER_METADATA_URI",
        "WEBSOCKET_SERVICE_HOST",
        "WEBSOCKET_SERVICE_PORT",
        "WEBSOCKET_SERVICE_PORT_HTTP",
        "WEBSOCKET_HANDLER_SERVICE_HOST",
        "WEBSOCKET_PORT_8080_TCP",
        "WEBSOCKET_PORT_8080_TCP_ADDR",
    ],
)
def test_what_belongs_to_others_is_left_alone(name: str) -> None:
    assert unknown_names({name: "1"}, VARIABLES) == {}


def test_what_kubernetes_sets_for_a_service_is_left_alone() -> None:
    assert unknown_names({"WEBSOCKET_HANDLER_PORT": "tcp://10.0.0.1:80"}, VARIABLES) == {}


def test_the_list_of_names_is_bounded() -> None:
    many = {f"WEBSOCKET_{number:03}": "1" for number in range(NAMES_MAX + 1)}
    assert list(unknown_names(many, VARIABLES)) == list(many)[:NAMES_MAX]


def test_the_line_for_a_name_never_shows_its_value() -> None:
    (line,) = tell_unknown(unknown_names({"JWT_SECRET": "hunter2"}, VARIABLES))
    assert line == "JWT_SECRET: is no setting and has no effect; did you mean JWT_SECRETS?"
    assert tell_unknown({"WEBSOCKET_FOO": ""}) == ["WEBSOCKET_FOO: is no setting and has no effect"]


@pytest.mark.parametrize("name", ["AUTH_MOD", "auth_mode", "AUTHMODE"])
def test_a_misspelt_mode_of_authentication_does_not_open_the_gateway(name: str) -> None:
    ((variable, reason, meant),) = hidden_mode({name: ' "JWT" '}, VARIABLES)
    assert (variable, meant) == ("AUTH_MODE", "jwt")
    assert name in reason


@pytest.mark.parametrize(
    "environment",
    [{"AUTH_MOD": "none"}, {"AUTH_MODEL": "gpt"}, {"AUTH_MOD": "jwt", "AUTH_MODE": "none"}, {"OTHER": "jwt"}],
)
def test_any_other_name_ends_no_start(environment: dict[str, str]) -> None:
    assert list(hidden_mode(environment, VARIABLES)) == []
