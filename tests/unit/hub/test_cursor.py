"""A cursor's beginning and end."""

from websocket_handler.hub.cursor import Cursor, CursorState


def test_a_new_cursor_waits_for_its_place_and_is_live_until_it_ends() -> None:
    cursor = Cursor("owner", since=5.0)
    assert (cursor.owner, cursor.since, cursor.offset, cursor.state) == ("owner", 5.0, 0, CursorState.STARTING)
    for state in CursorState:
        cursor.state = state
        assert cursor.is_live == (state is not CursorState.ENDED)


def test_a_cursor_folds_only_if_it_was_asked_to() -> None:
    assert not Cursor("owner", since=5.0).folds
    assert Cursor("owner", since=5.0, folds=True).folds
