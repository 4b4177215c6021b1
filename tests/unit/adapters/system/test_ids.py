"""Ids: their form, and that no two are alike."""

import re

from websocket_handler.adapters.system.ids import new_hex_id, new_id, numbered_ids
from websocket_handler.protocol.names import EPOCH, MESSAGE_ID

COUNT = 10_000


def test_an_id_has_sixteen_characters_and_is_made_once() -> None:
    made = [new_id() for _ in range(COUNT)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16}", one) for one in made)
    assert len(set(made)) == COUNT


def test_a_hexadecimal_id_is_a_message_id() -> None:
    made = [new_hex_id() for _ in range(COUNT)]
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) and MESSAGE_ID.fullmatch(one) for one in made)
    assert len(set(made)) == COUNT


def test_numbered_ids_differ_within_a_node_and_between_nodes() -> None:
    one, two = numbered_ids(), numbered_ids()
    made = [make() for _ in range(COUNT) for make in (one, two)]
    assert len(set(made)) == 2 * COUNT
    assert all(EPOCH.fullmatch(text) for text in made)


def test_a_number_is_counted_up_behind_the_nodes_own_characters() -> None:
    make = numbered_ids()
    made = [make() for _ in range(300)]
    assert len({text[:16] for text in made}) == 1
    assert [int(text[16:], 16) for text in made] == list(range(1, 301))


def test_an_epoch_keeps_its_form_for_as_long_as_a_node_can_run() -> None:
    """16 characters of chance leave 48 for the number."""
    assert EPOCH.fullmatch(new_id() + f"{2**64:x}")
