"""What the gateway says of wrong settings: all of it at once, each with its value, what is allowed and an example."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from websocket_handler import config
from websocket_handler.config import VARIABLES, ConfigurationError, from_environment

NEEDED = {
    "SQS_QUEUE_URL_PM": "https://sqs.example/1/pm",
    "SQS_QUEUE_URL_DEV": "https://sqs.example/1/dev",
    "SQS_QUEUE_URL_QA": "https://sqs.example/1/qa",
    "SQS_QUEUE_URL_OPS": "https://sqs.example/1/ops",
    "DYNAMODB_TABLE_NAME": "table",
}
REQUIRED = {row.variable for row in config.describe({}) if row.default == "required"}
SECRET = "hunter2-is-long-enough-for-every-hash"  # noqa: S105 - that of this test


def lines(environment: dict[str, str]) -> dict[str, str]:
    """What is printed for each variable."""
    with pytest.raises(ConfigurationError) as caught:
        from_environment({**NEEDED, **environment})
    return {line.partition(":")[0]: line for line in str(caught.value).splitlines()}


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("WEBSOCKET_PORT", "eighty", "must be a whole number from 0 to 65535, not 'eighty'. Example: {}=8080"),
        ("WEBSOCKET_PORT", "99999", "must be a whole number from 0 to 65535, not '99999'. Example: {}=8080"),
        ("LOG_LEVEL", "loud", "must be one of DEBUG, INFO, WARNING, ERROR, not 'loud'. Example: {}=INFO"),
        ("LOG_LEVEL", "eror", "must be one of DEBUG, INFO, WARNING, ERROR, not 'eror'. Example: {}=ERROR"),
        ("CONSOLE", "maybe", "must be one of full, read, off, not 'maybe'. Example: {}=full"),
        ("DRAIN_SECONDS", "1m", "must be a number of seconds from 0 to 110, not '1m'. Example: {}=60"),
        ("COMMIT_LINGER_MS", "501", "must be a number of milliseconds from 0 to 500, not '501'. Example: {}=0"),
        ("COMMIT_LINGER_MS", "0.1 s", "must be a number of milliseconds from 0 to 500, not '0.1 s'. Example: {}=100"),
        ("FORWARD_LINGER_MS", "501", "must be a number of milliseconds from 0 to 500, not '501'. Example: {}=0"),
        ("FORWARD_LINGER_MS", "-1", "must be a number of milliseconds from 0 to 500, not '-1'. Example: {}=0"),
        ("MAX_CONNECTIONS", "1_000", "must be a whole number, at least 0, not '1_000'. Example: {}=1000"),
        (
            "AWS_ENDPOINT_URL",
            "localhost:4566",
            "must be a URL with http or https and a host, not 'localhost:4566'. Example: {}=http://localhost:4566",
        ),
        (
            "SQS_QUEUE_URL_PM",
            "arn:aws:sqs:eu-west-1:123456789012:q",
            (
                "must be a URL with http or https and a host, not 'arn:aws:sqs:eu-west-1:123456789012:q'. "
                "Example: {}=https://sqs.eu-west-1.amazonaws.com/123456789012/q"
            ),
        ),
        (
            "DYNAMODB_TABLE_NAME",
            "$TABLE",
            (
                "must be 3 to 255 letters, digits, '_', '-' and '.', or the ARN of a table, not '$TABLE'. "
                "Example: {}=agenticai-data-prod"
            ),
        ),
        (
            "WEBSOCKET_PORT",
            "tcp://10.0.0.1:80",
            (
                "must be a whole number from 0 to 65535 (Kubernetes sets it for a service of this name: give the pod "
                "enableServiceLinks: false), not 'tcp://10.0.0.1:80'. Example: {}=8080"
            ),
        ),
        (
            "ALLOWED_ORIGINS",
            "https://A,b",
            (
                "each of 'https://A', 'b' is no origin: scheme://host or scheme://host:port, in lower case; it is "
                "'https://A,b'. Example: {}=https://app.example.com"
            ),
        ),
        ("JWT_ISSUER", ",", "has no entry beside its commas; it is ','. Example: {}=https://issuer.example"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed_and_an_example(variable: str, value: str, line: str) -> None:
    assert lines({variable: value}) == {variable: f"{variable}: {line.format(variable)}"}


def test_what_is_required_has_an_example_too() -> None:
    told = lines(dict.fromkeys(NEEDED, ' "" '))
    assert set(told) == REQUIRED == set(NEEDED)
    assert told["SQS_QUEUE_URL_QA"] == (
        "SQS_QUEUE_URL_QA: is required: queue of the QA agent. "
        "Example: SQS_QUEUE_URL_QA=https://sqs.eu-west-1.amazonaws.com/123456789012/agenticai-qa-prod"
    )


def test_every_example_of_a_required_setting_can_be_used() -> None:
    examples = (line.partition("Example: ")[2].partition("=") for line in lines(dict.fromkeys(NEEDED, "")).values())
    assert from_environment({name: value for name, _, value in examples}) is not None


@pytest.mark.parametrize("variable", VARIABLES)
def test_quotes_and_space_around_a_value_are_no_part_of_it(variable: str) -> None:
    """As `docker run --env-file` and a file with CRLF give them; an empty value counts as not set."""
    value = {row.variable: row.value for row in config.describe(NEEDED)}[variable]
    plain = from_environment({**NEEDED, variable: value})
    assert from_environment({**NEEDED, variable: f' "{value}"\r'}) == plain
    if variable not in REQUIRED:
        assert from_environment({**NEEDED, variable: '""'}) == from_environment(NEEDED)


def test_all_faults_of_authentication_are_told_at_once() -> None:
    wrong = {
        "JWT_SECRETS": "short",
        "JWT_PUBLIC_KEYS": "/nowhere.pem",
        "JWT_JWKS_URL": "http://issuer.example,https://b",
    }
    told = lines({"AUTH_MODE": "jwt", **wrong, "MAX_CONNECTIONS": "many"})
    assert set(told) == {*wrong, "JWT_ISSUER", "MAX_CONNECTIONS"}
    assert "'/nowhere.pem'" in told["JWT_PUBLIC_KEYS"]


def test_algorithms_are_words_too() -> None:
    environment = {"AUTH_MODE": "Jwt", "JWT_SECRETS": SECRET, "JWT_ALGORITHMS": "hs256"}
    assert from_environment({**NEEDED, **environment}).auth_mode == "jwt"
    assert set(lines({**environment, "JWT_ALGORITHMS": "hs256,none"})) == {"JWT_ALGORITHMS"}


def test_authentication_without_a_key_is_no_reason_to_switch_it_off() -> None:
    (line,) = lines({"AUTH_MODE": "jwt"}).values()
    assert line == "AUTH_MODE: jwt needs JWT_SECRETS, JWT_PUBLIC_KEYS or JWT_JWKS_URL; it is 'jwt'"


@pytest.mark.parametrize(
    "key", ["-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "ssh-rsa AAAAB3NzaC1yc2E"]
)
def test_a_public_key_is_no_secret(key: str) -> None:
    """Everybody has it: whoever does could sign a token."""
    (line,) = lines({"AUTH_MODE": "jwt", "JWT_SECRETS": key + " " * 40 + "x"}).values()
    assert line.startswith("JWT_SECRETS: a public key or a certificate is no secret, and belongs into JWT_PUBLIC_KEYS")


def test_a_misspelt_mode_of_authentication_ends_the_start() -> None:
    (line,) = lines({"AUTH_MOD": "jwt", "JWT_SECRETS": SECRET}).values()
    assert line.startswith("AUTH_MODE: is not set, but AUTH_MOD is: without AUTH_MODE everybody may come in")


def test_no_secret_is_told() -> None:
    key = f"-----BEGIN PUBLIC KEY-----\n{SECRET}"
    told = lines(
        {
            "AUTH_MODE": "jwt",
            "JWT_SECRETS": f"{SECRET},short",
            "JWT_PUBLIC_KEYS": key,
            "AWS_ENDPOINT_URL": f"http://user:{SECRET}@host:port",
            "ALLOWED_ORIGINS": f"https://user:{SECRET}@host",
            "WEBSOCKET_HOST": f"user:{SECRET}@host",
        }
    )
    assert set(told) == {"JWT_SECRETS", "JWT_PUBLIC_KEYS", "AWS_ENDPOINT_URL", "ALLOWED_ORIGINS", "WEBSOCKET_HOST"}
    assert SECRET not in "".join(told.values())


def test_what_is_listed_is_what_counts() -> None:
    given = {"LOG_LEVEL": "'warn'", "CONSOLE": "No", "DIAG_ECHO": "true", "WEBSOCKET_PORT": ' "9000" '}
    rows = {row.variable: row.value for row in config.describe({**NEEDED, **given})}
    assert [rows[name] for name in given] == ["WARNING", "off", "1", "9000"]


@settings(max_examples=300)
@given(st.sampled_from(VARIABLES), st.text(max_size=60), st.sampled_from(["none", "jwt"]))
def test_no_text_of_a_variable_leads_to_anything_but_a_line(variable: str, text: str, mode: str) -> None:
    """Whatever it is, it is used, or told on one line that names the variable."""
    environment = {**NEEDED, "AUTH_MODE": mode, variable: text}
    config.describe(environment)
    found: list[config.Problem] = []
    try:
        from_environment(environment)
    except ConfigurationError as error:
        found = error.problems
    told = [str(problem) for problem in found if problem.variable == variable]
    assert [line for line in told if not line.isascii() or not line.isprintable()] == []
