"""What cannot be seen through a proxy. `make proxies` runs everything else of this folder through each proxy."""

from __future__ import annotations

from typing import Final

BY_ANY: Final = {
    "test_http_api.py::test_a_length_that_is_none_is_refused": "a proxy has to understand the length itself, to know "
    "where the request ends; it answers 400 with a page of its own",
    "test_http_api.py::test_a_large_request_head_is_refused": "a proxy has its own maximum for heads, 8 and 16 KiB by "
    "default, below the gateway's; it answers 400 with a page of its own",
    "test_http_api.py::test_what_is_not_http_is_refused": "a proxy for HTTP answers itself what is no request",
    "test_http_api.py::test_who_waits_with_half_a_request_is_told_after_a_while": "a proxy waits for the rest of a "
    "request in its own time, a minute or more, before it tells the gateway, or instead",
}
"""Node ids below this folder, each with the reason. An id without `[…]` means the test with all its parameters."""
BY: Final = {
    "nginx": {
        "test_refusals.py::test_a_bad_handshake_is_refused[Connection without upgrade]": "with the map that everybody "
        "uses, nginx writes `Connection: upgrade` for whoever sends `Upgrade`: the handshake arrives whole",
    },
    "haproxy": {
        "test_refusals.py::test_a_bad_handshake_is_refused[a short key]": "HAProxy checks the key itself, and "
        "answers 400 with a page of its own",
        "test_refusals.py::test_a_bad_handshake_is_refused[no key]": "HAProxy checks the key itself, and "
        "answers 400 with a page of its own",
    },
}
"""The same for a single proxy."""


def why_direct(test: str, proxy: str) -> str | None:
    """Why a test does not run through a proxy; None if it does. `test` is its node id below this folder."""
    reasons = {**BY_ANY, **BY[proxy]}
    return reasons.get(test) or reasons.get(test.partition("[")[0])
