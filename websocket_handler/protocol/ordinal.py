"""The number of a publication among those of its producer.

A publication is numbered if its object has both fields, `producer` and `sequence`. Together they are its idempotency
key. If updates can overtake each other, they also decide the order in which they are published. If an object has only
one of the fields, it is not numbered, and the field means whatever its publisher likes.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.names import PRODUCER, SEQUENCE_MAX

MARK: Final = " "
"""A character in every key that is made of an ordinal. No key of a client's choice can contain it."""
_KEY: Final = re.compile(rf"({PRODUCER.pattern}){MARK}([0-9]{{1,16}})", re.ASCII)


class Ordinal(NamedTuple):
    """The producer of a publication, and its number."""

    producer: str
    sequence: int

    @property
    def key(self) -> str:
        """The idempotency key of the publication."""
        return f"{self.producer}{MARK}{self.sequence}"


def ordinal_in(fields: Mapping[str, object]) -> Ordinal | None:
    """The ordinal of an object; None if it is not numbered. Raises CommandError with `invalid_field`."""
    if "sequence" not in fields or "producer" not in fields:
        return None
    producer, sequence = fields["producer"], fields["sequence"]
    if not isinstance(producer, str) or PRODUCER.fullmatch(producer) is None:
        raise CommandError(
            ErrorCode.INVALID_FIELD, "producer, beside sequence, has 1 to 100 characters of A-Z a-z 0-9 . _ : -"
        )
    if isinstance(sequence, float) and sequence.is_integer():  # 7.0 is an integer in JSON Schema, and some languages
        sequence = int(sequence)  # have no other numbers
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 0 <= sequence <= SEQUENCE_MAX:
        raise CommandError(
            ErrorCode.INVALID_FIELD, f"sequence, beside producer, is an integer from 0 to {SEQUENCE_MAX}"
        )
    return Ordinal(producer, sequence)


def ordinal_of(key: str) -> Ordinal | None:
    """The ordinal from which an idempotency key was made; None for every other key."""
    match = _KEY.fullmatch(key)
    return None if match is None else Ordinal(match[1], int(match[2]))
