"""Parts of generated streams."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.frames import PING, PONG, client_frame

MASKS = st.binary(min_size=4, max_size=4)
TEXTS = st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace"))


@st.composite
def controls(draw: st.DrawFn) -> bytes:
    """A ping or pong."""
    return client_frame(draw(st.sampled_from([PING, PONG])), draw(st.binary(max_size=125)), mask=draw(MASKS))


CUTS = st.lists(st.integers(0, 10_000), max_size=6)
