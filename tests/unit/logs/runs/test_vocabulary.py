"""The names of AG-UI's events, and which client speaks which version."""

import pytest

from websocket_handler.logs.runs.vocabulary import TYPES, TYPES_0_0_59, TYPES_1_0, Generation, generation_of


def test_there_are_31_types_and_old_clients_know_thinking_too() -> None:
    assert len(TYPES_1_0) == 31
    assert set() == TYPES_1_0 - TYPES_0_0_59
    assert {each.partition("_")[0] for each in TYPES_0_0_59 - TYPES_1_0} == {"THINKING"}
    assert len(TYPES) == 36


@pytest.mark.parametrize(
    ("version", "generation"),
    [
        ("1.0", Generation.V1),
        ("1.1", Generation.V1),
        ("0.0.59", Generation.V0),
        (None, Generation.V0),
        (1.0, Generation.V0),
    ],
)
def test_a_client_without_a_protocol_version_is_an_old_one(version: object, generation: Generation) -> None:
    assert generation_of(version) is generation
