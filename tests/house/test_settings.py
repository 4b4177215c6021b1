"""Every setting reaches the gateway, however it is started."""

import re

import yaml

from tests.house.files import ROOT
from websocket_handler.cli.dev.settings import STAND_INS
from websocket_handler.config import VARIABLES

ONLY_ON_ECS = {
    "TARGET_GROUP_ARN",
    "TARGET_ADDRESS",
    "ECS_CONTAINER_METADATA_URI_V4",
    "SCALE_IN_PROTECTION_CONNECTIONS",
    "ECS_AGENT_URI",
}


def test_the_compose_file_passes_every_setting_on() -> None:
    """What leads to AWS, and the address inside the container, are its own; the rest comes from whoever starts it."""
    document = yaml.safe_load((ROOT / "websocket_handler" / "docker-compose.yml").read_text())
    gateway = document["services"]["gateway"]
    given = gateway["environment"]
    assert set(VARIABLES) - ONLY_ON_ECS - set(given) == set()
    own = {*STAND_INS, "WEBSOCKET_HOST", "WEBSOCKET_PORT"}
    for variable in set(VARIABLES) - ONLY_ON_ECS - own:
        assert re.fullmatch(rf"\$\{{{variable}:-[^}}]*\}}", given[variable]), variable
    assert gateway["ports"] == ["127.0.0.1:${WEBSOCKET_PORT:-8080}:8080"]
