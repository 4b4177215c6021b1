"""`websocket-handler doctor` where the other side is broken: every check gets a verdict, and none a traceback."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.broken_aws import Answer, http_port, port_that_says, refusal, refused_port, silent_port
from tests.support.commands import aws_at
from tests.support.gateway import clean_environment
from tests.support.preloaded import run_preloaded

ROOT = Path(__file__).resolve().parents[3]
QUEUES = ("PM", "DEV", "QA", "OPS", "UPDATES")
CHECKS = (
    "settings",
    "credentials",
    "clock",
    *(f"queue {name}" for name in QUEUES),
    "table",
    "table expiry",
    *(f"round trip {name}" for name in QUEUES),
)
VERDICT = re.compile(r"  (ok|FAIL|\?\?) +(.+)")
QUICK = ("--time-limit", "3")


def machine(endpoint: str) -> dict[str, str]:
    """The environment of a machine whose AWS is at `endpoint`."""
    return aws_at(endpoint, "UPDATES")


def examine(environment: dict[str, str], *arguments: str) -> tuple[int, dict[str, list[str]], str]:
    """The exit code, the kinds of verdict by check, and what was printed. stderr stays empty."""
    done = run_preloaded(["doctor", *arguments], ROOT, environment)
    assert done.stderr == ""
    found: dict[str, list[str]] = {}
    for kind, text in VERDICT.findall(done.stdout):
        found.setdefault(text.partition(":")[0].removesuffix(" table"), []).append(kind)
    return done.returncode, found, done.stdout


def open_checks(found: dict[str, list[str]]) -> set[str]:
    """The checks that have no verdict."""
    return set(CHECKS) - set(found)


Broken = Callable[[], AbstractContextManager[int]]


def says(status: int, body: bytes, **headers: str) -> Broken:
    """HTTP that answers everything the same way."""
    answer: Answer = (status, headers, body)
    return lambda: http_port(lambda _operation: answer)


BROKEN: dict[str, tuple[Broken, str, int, str]] = {
    "refused": (refused_port, "http", 1, "connection refused. Start what should listen there"),
    "silent": (silent_port, "http", 1, "no answer within 3 s"),
    "tls to a plain port": (says(200, b"{}"), "https", 1, "Write http for a plain port"),
    "plain to a tls port": (
        lambda: port_that_says(b"\x15\x03\x01\x00\x02\x02\x0a"),
        "http",
        1,
        "a TLS port needs https",
    ),
    "closed at once": (lambda: port_that_says(b""), "http", 1, "ended the connection without an answer"),
    "another protocol": (lambda: port_that_says(b"SSH-2.0-OpenSSH_9\r\n"), "http", 1, "without an answer"),
    "a web page": (says(200, b"<html><p>Welcome"), "http", 1, "the answer is none of AWS"),
    "an empty object": (says(200, b"{}"), "http", 1, "the answer is none of AWS"),
    "a list": (says(200, b"[]"), "http", 1, "the answer is none of AWS"),
    "nothing": (says(200, b""), "http", 1, "the answer is none of AWS"),
    "bytes": (says(200, b"\xff\xfe\x00"), "http", 1, "the answer is none of AWS"),
    "another place": (says(302, b"", location="http://127.0.0.1:1/"), "http", 1, ""),
    "not found": (says(404, b"no such page"), "http", 1, "the answer is none of AWS"),
    "out of order": (says(503, b"<html>"), "http", 4, "Try again later"),
    "access denied": (lambda: http_port(refusal("AccessDeniedException")), "http", 1, "you may not ask"),
    "access denied by STS": (lambda: http_port(refusal("AccessDenied", 403)), "http", 1, "you may not ask"),
    "expired": (lambda: http_port(refusal("ExpiredTokenException")), "http", 1, "the credentials cannot be used"),
    "unknown key": (lambda: http_port(refusal("UnrecognizedClientException")), "http", 1, "Renew them"),
    "nothing is there": (lambda: http_port(refusal("ResourceNotFoundException")), "http", 1, "does not exist"),
    "throttled": (lambda: http_port(refusal("ThrottlingException")), "http", 4, "Try again later"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_every_check_has_a_verdict_however_the_other_side_is_broken(name: str) -> None:
    """FAIL where the gateway itself would fail here, ?? where the question stays open, and what to do about it."""
    broken, scheme, code, advice = BROKEN[name]
    with broken() as port:
        exit_code, found, printed = examine(machine(f"{scheme}://127.0.0.1:{port}"), *QUICK)
    assert open_checks(found) == set(), printed
    assert advice in printed
    assert exit_code == code, printed
    assert found["settings"] == ["ok"]
    assert "ok" not in [kind for check, kinds in found.items() for kind in kinds if check != "settings"]


@pytest.mark.parametrize(
    ("denied", "fails"),
    [
        ("SendMessage", {"round trip PM", "round trip DEV", "round trip QA", "round trip OPS"}),
        ("ReceiveMessage", {"round trip UPDATES"}),
        ("GetQueueAttributes", set()),
        ("DescribeTable", set()),
        ("DescribeTimeToLive", set()),
    ],
)
def test_a_right_is_a_fault_where_the_gateway_needs_it_and_else_an_open_question(denied: str, fails: set[str]) -> None:
    """It sends to agents and receives updates, and looks at neither queues nor table."""

    def answer(operation: str) -> Answer:
        if operation == "SendMessage" != denied:
            return 200, {}, b"{}"
        return refusal("AccessDeniedException" if operation == denied else "ThrottlingException")(operation)

    with http_port(answer) as port:
        exit_code, found, printed = examine(machine(f"http://127.0.0.1:{port}"), "--time-limit", "20")
    assert {check for check, kinds in found.items() if "FAIL" in kinds} == fails, printed
    assert exit_code == (1 if fails else 4), printed


def test_a_name_that_dns_does_not_know_is_told() -> None:
    exit_code, found, printed = examine(machine("http://no-such-host.invalid:4566"), *QUICK)
    assert exit_code == 1
    assert open_checks(found) == set(), printed
    assert "http://no-such-host.invalid:4566" in printed


def test_credentials_in_an_endpoint_are_not_shown() -> None:
    with refused_port() as port:
        _code, _found, printed = examine(machine(f"http://user:hunter2@127.0.0.1:{port}"), *QUICK)
    assert "hunter2" not in printed


@contextmanager
def only_broken(port: int, emulator: Emulator) -> Iterator[dict[str, str]]:
    """A machine with a good emulator, but for STS."""
    yield clean_environment(
        {**create_resources(emulator.url), "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{port}", "NO_PROXY": "*"}
    )


def test_sts_that_does_not_answer_leaves_one_question_open(emulator_process: Emulator) -> None:
    """The gateway does not need STS: whose credentials these are is not known, and everything else is in order."""
    with refused_port() as port, only_broken(port, emulator_process) as environment:
        exit_code, found, printed = examine(environment)
    assert exit_code == 4, printed
    assert {check for check, kinds in found.items() if "??" in kinds} == {"credentials", "clock"}
    assert {kind for check, kinds in found.items() if check not in ("credentials", "clock") for kind in kinds} == {"ok"}
    assert "Nothing is wrong in what could be checked" in printed


def test_what_the_sdk_reads_itself_may_stand_in_quotes_too(emulator_process: Emulator) -> None:
    """As `docker run --env-file` gives it; and an empty profile, as compose files pass it on, is none."""
    environment = clean_environment(create_resources(emulator_process.url))
    quoted = {name: f'"{environment[name]}"' for name in environment if name.startswith("AWS_")}
    exit_code, found, printed = examine({**environment, **quoted, "AWS_PROFILE": "", "AWS_CA_BUNDLE": '""'})
    assert exit_code == 4, printed
    assert {check for check, kinds in found.items() if kinds != ["ok"]} == {"credentials", "clock"}
    assert "The gateway itself does not call STS" in printed  # this emulator has none


def test_a_clock_that_is_wrong_is_the_only_fault() -> None:
    """Everything is refused because of it, and nobody is told to renew good credentials."""
    date = {"date": format_datetime(datetime.now(UTC) + timedelta(minutes=20), usegmt=True)}

    def refuse(operation: str) -> Answer:
        status, headers, body = refusal("InvalidSignatureException" if operation else "SignatureDoesNotMatch")(
            operation
        )
        return status, {**headers, **date}, body

    with http_port(refuse) as port:
        exit_code, found, printed = examine(machine(f"http://127.0.0.1:{port}"), *QUICK)
    assert open_checks(found) == set(), printed
    assert exit_code == 1, printed
    assert [check for check, kinds in found.items() if "FAIL" in kinds] == ["clock"], printed
    assert "Renew" not in printed


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT"])
def test_a_clock_that_cannot_be_compared_is_told(emulator_process: Emulator, date: str) -> None:
    body = (
        b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:x</Arn></GetCallerIdentityResult>"
        b"</GetCallerIdentityResponse>"
    )
    headers = {"date": date} if date else {}
    with http_port(lambda _operation: (200, headers, body)) as port, only_broken(port, emulator_process) as environment:
        exit_code, found, printed = examine(environment)
    assert (found["credentials"], found["clock"], exit_code) == (["ok"], ["??"], 4), printed


def test_without_credentials_there_are_no_questions_left_unsaid() -> None:
    environment = machine("http://127.0.0.1:1")
    del environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    exit_code, found, printed = examine({**environment, "HOME": "/nonexistent"}, *QUICK)
    assert exit_code == 1
    assert open_checks(found) == set(), printed
    assert "AWS_PROFILE" in printed


def test_a_program_for_credentials_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    environment = machine("http://127.0.0.1:1")
    del environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    (tmp_path / "config").write_text("[default]\ncredential_process = sleep 600\n")
    environment["AWS_CONFIG_FILE"] = str(tmp_path / "config")
    exit_code, found, printed = examine(environment, "--time-limit", "1")
    assert exit_code == 1
    assert open_checks(found) == set(), printed


@pytest.mark.parametrize("text", ["not an ini file", "[default]\nregion"])
def test_a_file_of_aws_that_cannot_be_read_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    environment = {**machine("http://127.0.0.1:1"), "AWS_CONFIG_FILE": str(tmp_path / "config")}
    exit_code, found, printed = examine(
        {name: environment[name] for name in environment if name != "AWS_REGION"}, *QUICK
    )
    assert exit_code == 1
    assert found.keys() >= {"credentials", "clock"}, printed


def test_wrong_settings_do_not_hide_who_asks() -> None:
    with refused_port() as port:
        environment = {**machine(f"http://127.0.0.1:{port}"), "WEBSOCKET_PORT": "eighty", "LOG_LEVLE": "x"}
        exit_code, found, printed = examine(environment, *QUICK)
    assert exit_code == 2
    assert "FAIL  WEBSOCKET_PORT: must be a whole number from 0 to 65535, not 'eighty'" in printed
    assert "did you mean LOG_LEVEL?" in printed
    assert found["credentials"] == found["queues"] == found["table"] == found["round trips"] == ["??"]


STACK_CHECKS = (
    "credentials",
    "clock",
    "stack",
    "task",
    "settings",
    "queues",
    "load balancer",
    "drain",
    "targets",
    "rights",
)


@pytest.mark.parametrize("name", ["refused", "silent", "a web page", "access denied by STS", "nothing"])
def test_a_stack_that_cannot_be_looked_at_is_no_broken_stack(name: str) -> None:
    """From a laptop without a way to AWS nothing is known of the stack: ?? for every check."""
    broken, scheme, _code, _advice = BROKEN[name]
    with broken() as port:
        exit_code, found, printed = examine(machine(f"{scheme}://127.0.0.1:{port}"), "prod", *QUICK)
    assert exit_code == 4, printed
    assert set(STACK_CHECKS) - set(found) == set(), printed
    assert {kind for kinds in found.values() for kind in kinds} == {"??"}


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon", "1e9"])
def test_a_time_limit_is_a_number_of_seconds(seconds: str) -> None:
    done = run_preloaded(["doctor", f"--time-limit={seconds}"], ROOT, clean_environment({}))
    assert done.returncode == 2
    assert "--time-limit" in done.stderr
    assert "Traceback" not in done.stderr
