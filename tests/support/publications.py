"""From a publisher's bytes to what the gateway makes of them: reading and preparing in one step."""

from websocket_handler.protocol import publication
from websocket_handler.protocol.publication import PreparedPublication, prepare, prepare_broadcast, read_object


def prepared(body: bytes = b"{}", key: str = "", project_id: str = "p") -> PreparedPublication:
    """A publication. Raises CommandError when it is refused."""
    return prepare(read_object(body), project_id, key)


def publication_head(body: bytes, project_id: str) -> bytes:
    """A publication's bytes up to its offset. Raises CommandError when it is refused."""
    return prepared(body, project_id=project_id).head


def broadcast_payload(body: bytes) -> bytes:
    """A broadcast's bytes. Raises CommandError when it is refused."""
    return prepare_broadcast(read_object(body)).head


def project_named_in(body: bytes) -> str | None:
    """The project that an object names. Raises CommandError when it is no object, or names something else."""
    return publication.project_named_in(read_object(body))
