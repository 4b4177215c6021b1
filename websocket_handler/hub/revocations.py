"""Users whose tokens were revoked: what was issued before is not taken any more."""

from collections import OrderedDict
from typing import Final

from websocket_handler.protocol.identity import Identity

REVOCATION_SECONDS: Final = 86_400.0
"""How long a revocation is remembered; tokens that live longer come back to life, so they should not."""
REVOCATIONS_MAX: Final = 10_000


class Revocations:
    """By user: when. All times are wall-clock seconds."""

    def __init__(self) -> None:
        self._revoked_at: OrderedDict[str, float] = OrderedDict()

    def revoke(self, user_id: str, now: float) -> None:
        """Take no token of this user that was issued up to now. Beyond the maximum the oldest is forgotten."""
        self._revoked_at.pop(user_id, None)
        self._revoked_at[user_id] = now
        while len(self._revoked_at) > REVOCATIONS_MAX:
            self._revoked_at.popitem(last=False)

    def is_revoked(self, identity: Identity, now: float) -> bool:
        """Whether this identity comes from a revoked token. One that does not say when it was issued counts as old."""
        revoked_at = self._revoked_at.get(identity.user_id)
        if revoked_at is None:
            return False
        if now - revoked_at > REVOCATION_SECONDS:
            del self._revoked_at[identity.user_id]
            return False
        return identity.issued_at is None or identity.issued_at <= revoked_at
