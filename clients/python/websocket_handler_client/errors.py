"""What can go wrong, each with a code to decide by."""


class ClientError(Exception):
    """Base of every error of this package. Decide by `code`; the text is for people."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        """True if the same request may succeed later."""


class RefusedError(ClientError):
    """The gateway refused a command, or the subscription of a project. `code` is its error code."""


class AwayError(ClientError):
    """There is no connection, and the caller did not want to wait for one. Nothing was sent."""

    def __init__(self, message: str = "there is no connection to the gateway") -> None:
        super().__init__("away", message, retryable=True)


class UnansweredError(ClientError):
    """The deadline passed. It is unknown if the command had an effect: repeat it with the same id or key."""

    def __init__(self, message: str = "no answer within the deadline") -> None:
        super().__init__("unanswered", message, retryable=True)


class ClosedError(ClientError):
    """The client was closed, or the gateway does not want it back. It stays so."""


class UnauthorizedError(ClientError):
    """A token provider raises it if there will be no token: then the client stops instead of asking again."""

    def __init__(self, message: str = "there is no token") -> None:
        super().__init__("unauthorized", message)
