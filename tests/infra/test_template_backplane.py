"""What `Backplane=valkey` brings: a server that only the tasks reach, and more than one of these."""

from __future__ import annotations

import re

import pytest

from tests.infra.account import REPOSITORY, TEMPLATE, Account
from tests.infra.deployed import Deployed
from websocket_handler.adapters.valkey.backplane import ValkeyBackplane


@pytest.fixture(scope="module")
def shared(account: Account) -> Deployed:
    """An environment of two tasks."""
    return Deployed(account, "shared", ImageTag="abc-1", Alarms="true", Backplane="valkey", DesiredCount="2")


@pytest.fixture(scope="module")
def alone(account: Account) -> Deployed:
    """An environment without a backplane."""
    return Deployed(account, "alone", ImageTag="abc-1", Alarms="false")


def test_with_a_backplane_several_tasks_are_steady(shared: Deployed) -> None:
    """Each of them tells the others of publications."""
    assert shared.service()["desiredCount"] == 2


def test_a_task_that_does_not_reach_the_backplane_is_an_alarm(shared: Deployed) -> None:
    """It reads an event that the gateway logs under this name, and leads to its runbook."""
    alarm = shared.alarms()["backplane"]
    assert alarm["AlarmDescription"].endswith("docs/operations/alarms.md#backplane")
    template = TEMPLATE.read_text(encoding="utf-8")
    assert """'{ $.event = "dependency.down" && $.dependency = "valkey backplane" }'""" in template
    assert f"{ValkeyBackplane.name} backplane" == "valkey backplane"


def test_tasks_and_nobody_else_reach_the_backplane(shared: Deployed, alone: Deployed) -> None:
    """Over TLS, with a password that stands in no parameter, and as a user with the gateway's keys only."""
    ec2 = shared.account.client("ec2")
    _, tasks = shared.groups()
    (of_tasks,) = ec2.describe_security_groups(GroupIds=[tasks])["SecurityGroups"]
    (reached,) = [rule for rule in of_tasks["IpPermissionsEgress"] if rule["UserIdGroupPairs"]]
    (valkey,) = ec2.describe_security_groups(GroupIds=[reached["UserIdGroupPairs"][0]["GroupId"]])["SecurityGroups"]
    (rule,) = valkey["IpPermissions"]
    assert valkey["Description"] == "Valkey server of the WebSocket gateway"
    assert (reached["FromPort"], rule["FromPort"]) == (6379, 6379)
    assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [tasks]

    (container,) = shared.task_definition()["containerDefinitions"]
    secrets = {item["name"]: item["valueFrom"] for item in container["secrets"]}
    assert secrets["VALKEY_URL"].endswith("agenticai-websocket-shared/valkey-url-AbCdEf")
    for deployed, backplane in ((shared, "valkey"), (alone, "none")):
        (container,) = deployed.task_definition()["containerDefinitions"]
        assert {"name": "BACKPLANE", "value": backplane} in container["environment"]


def test_the_user_of_valkey_has_the_rights_that_the_documents_name() -> None:
    """Every command of docs/operations/nodes.md, and no other one."""
    page = (REPOSITORY / "docs" / "operations" / "nodes.md").read_text(encoding="utf-8")
    _, _, text = page.partition("For a user with limited rights:")
    named = {name.lower().replace(" ", "|") for name in re.findall(r"`([A-Z]+(?: [A-Z]+)?)`", text.partition("## ")[0])}
    template = TEMPLATE.read_text(encoding="utf-8")
    granted = template.partition("AccessString: >-")[2].partition("AuthenticationMode")[0].split()
    assert {name.removeprefix("+") for name in granted if name.startswith("+")} == named
    assert [name for name in granted if not name.startswith("+")] == ["on", "~ws:*", "resetchannels", "&ws:*", "-@all"]
