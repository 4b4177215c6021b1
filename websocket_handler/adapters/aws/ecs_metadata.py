"""What a Fargate task can learn about itself: the task metadata endpoint, version 4 (Amazon ECS developer guide,
"Amazon ECS task metadata endpoint version 4")."""

import asyncio
import json
from urllib.request import urlopen

TIMEOUT_S = 2.0


async def own_address(metadata_uri: str) -> str:
    """The task's private IPv4 address, empty if the endpoint does not tell. `metadata_uri` is the value of
    `ECS_CONTAINER_METADATA_URI_V4`, which only the ECS agent sets."""
    return await asyncio.to_thread(_read_address, metadata_uri)


def _read_address(metadata_uri: str) -> str:
    try:
        with urlopen(metadata_uri, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the address comes from ECS itself
            networks = json.load(answer)["Networks"]
        return str(networks[0]["IPv4Addresses"][0])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return ""
