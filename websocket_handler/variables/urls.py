"""PURE: what is wrong with the URL of a setting, and which URL its writer may have meant."""

import re
from typing import Final
from urllib.parse import urlsplit

from websocket_handler.variables.shown import is_readable

_QUEUE_ARN: Final = re.compile(r"arn:(aws[a-z-]*):sqs:([a-z0-9-]+):([0-9]{12}):([A-Za-z0-9_.-]+)")
_HOST_FIRST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/\S*)?")
_LOCAL: Final = re.compile(r"(localhost|127\.|host\.docker\.internal|[^./]+:)")


def check_url(text: str) -> None:
    """Raises ValueError unless the text is a URL with http or https, a host, and a port that exists."""
    parts = urlsplit(text) if is_readable(text) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise ValueError("must be a URL with http or https and a host")


def check_queue_url(text: str) -> None:
    """Raises ValueError unless the text is the URL of a queue. The URL of a server alone is not enough."""
    check_url(text)
    if not urlsplit(text).path.strip("/"):
        raise ValueError("must be the URL of a queue, with the account and the queue's name")


def guess_url(text: str) -> str:
    """A URL that the writer may have meant: the text with a scheme, or the URL of the queue whose ARN it is. Empty if
    there is none."""
    if arn := _QUEUE_ARN.fullmatch(text):
        partition, region, account, name = arn.groups()
        suffix = ".cn" if partition == "aws-cn" else ""
        return f"https://sqs.{region}.amazonaws.com{suffix}/{account}/{name}"
    if _HOST_FIRST.fullmatch(text) and ("." in text or ":" in text):
        return f"{'http' if _LOCAL.match(text) else 'https'}://{text}"
    return ""
