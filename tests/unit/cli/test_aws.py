"""AWS clients for the commands of a person: which region and profile they use, and how long they wait."""

import threading
from pathlib import Path
from typing import Any

import pytest

from websocket_handler.cli.aws import PATIENT, QUICK, Patience, make_client
from websocket_handler.cli.deploy_stack import DeployError


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with a configuration of its own: two profiles, one of them with a region."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    config = tmp_path / "config"
    config.write_text("[profile here]\nregion = eu-west-1\n[profile nowhere]\noutput = json\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent"))
    return config


def region_of(region: str | None, profile: str | None) -> str:
    client = make_client(region, profile, QUICK)("sqs")
    return str(client.meta.region_name)


def test_the_region_that_is_given_comes_before_the_environment_and_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert region_of(None, "here") == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert region_of(None, "here") == "us-west-2"
    assert region_of("ap-south-1", "here") == "ap-south-1"


@pytest.mark.parametrize("profile", [None, "nowhere"])
def test_without_a_region_it_is_told_how_to_name_one(profile: str | None) -> None:
    with pytest.raises(DeployError, match=r"no AWS region: give --region, or set AWS_REGION"):
        make_client(None, profile, QUICK)


def test_a_profile_that_is_not_there_is_named() -> None:
    with pytest.raises(DeployError, match="absent"):
        make_client(None, "absent", QUICK)


def test_a_configuration_that_cannot_be_read_is_told(_machine: Path) -> None:  # noqa: PT019 - its path
    _machine.write_text("[profile", encoding="utf-8")
    with pytest.raises(DeployError):
        make_client(None, "here", QUICK)


@pytest.mark.parametrize("patience", [QUICK, PATIENT, Patience(1, 2, 1)], ids=["quick", "patient", "own"])
def test_no_call_waits_longer_than_it_is_told(patience: Patience) -> None:
    config: Any = make_client("us-east-1", None, patience)("sqs").meta.config
    assert (config.connect_timeout, config.read_timeout) == (patience.connect_s, patience.read_s)
    assert config.retries == {"total_max_attempts": patience.attempts, "mode": "standard"}


def test_a_question_is_given_up_sooner_than_a_change() -> None:
    for name in ("connect_s", "read_s", "attempts"):
        assert getattr(QUICK, name) < getattr(PATIENT, name)


def test_several_threads_make_their_clients_one_after_the_other() -> None:
    make, made = make_client("us-east-1", None, QUICK), list[Any]()
    services = ("sqs", "dynamodb", "sts", "iam")
    threads = [threading.Thread(target=lambda name=name: made.append(make(name))) for name in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {client.meta.service_model.service_name for client in made} == set(services)
