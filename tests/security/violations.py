"""What a fuzzer found."""


class Violation(AssertionError):
    """Something came out that no document knows."""


def check(holds: object, what: str, data: bytes) -> None:
    """Raise Violation with the input that caused it."""
    if not holds:
        raise Violation(f"{what}; input: {data!r}")
