"""What a Fargate task can learn about itself: the task metadata endpoint, version 4 (Amazon ECS developer guide,
"Amazon ECS task metadata endpoint version 4")."""

import json

from websocket_handler.adapters.aws.ecs_agent import ask_agent

TIMEOUT_S = 2.0


async def own_address(metadata_uri: str) -> str:
    """The task's private IPv4 address, empty if the endpoint does not tell it now. `metadata_uri` is the value of
    `ECS_CONTAINER_METADATA_URI_V4`, which only the ECS agent sets."""
    try:
        answer = await ask_agent("GET", metadata_uri, TIMEOUT_S)
        return str(json.loads(answer.body)["Networks"][0]["IPv4Addresses"][0]) if answer.status == 200 else ""
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return ""
