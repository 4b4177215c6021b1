"""A Lambda that tells a project what happened. It needs the standard library, and boto3, which Lambda has."""

from typing import Any

from websocket_handler_client import Publisher

publisher = Publisher()


def handler(event: dict[str, Any], context: Any) -> None:
    message = {"type": "build_finished", "passed": event["passed"]}
    publisher.publish(event["project_id"], message, key=event["id"])
