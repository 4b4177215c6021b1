"""What the last answers of the table say about it, for `/ready`."""

from typing import Final

from websocket_handler.adapters.aws.errors import AwsError, Fault

ABOUT_THE_TABLE: Final = frozenset(fault for fault in Fault if fault.is_operators)
"""What is true for every request. Any other fault of a read may come from one project, whose log is long or whose
partition is hot: `DynamoDbLogStore.check` finds out if the node can read at all."""
NOT_LOOKED_UP: Final = "not looked up yet"


class Health:
    """Can the log store be used?"""

    __slots__ = ("failure", "is_write_failing")

    def __init__(self) -> None:
        self.failure: str | None = NOT_LOOKED_UP
        """Why not; None if it can."""
        self.is_write_failing = True
        """True while a write failed last, or none was tried: then `DynamoDbLogStore.check` writes."""

    def worked(self, *, is_write: bool) -> None:
        """An operation was answered."""
        self.is_write_failing = self.is_write_failing and not is_write
        if not self.is_write_failing or self.failure == NOT_LOOKED_UP:
            self.failure = None  # otherwise this was a read, of a table that takes no writes

    def failed(self, error: AwsError, *, is_write: bool) -> None:
        """An operation failed."""
        if is_write or error.fault in ABOUT_THE_TABLE:
            self.failure = str(error)
            self.is_write_failing = is_write
