"""PURE: users whose tokens were revoked. No token that was issued before the revocation is accepted."""

from collections import OrderedDict
from typing import Final

from websocket_handler.protocol.identity import Identity

REVOCATION_SECONDS: Final = 86_400.0
"""How many seconds a revocation is remembered. A token that lives longer becomes valid again, so tokens should not live
longer."""
REVOCATIONS_MAX: Final = 10_000


class Revocations:
    """When each user's tokens were revoked. All times are wall-clock seconds."""

    def __init__(self) -> None:
        self._revoked_at: OrderedDict[str, float] = OrderedDict()

    def revoke(self, user_id: str, now: float) -> None:
        """Revoke all tokens of this user that were issued until now. An older revocation than the one that is known
        changes nothing. If there are more revocations than the maximum, the oldest one is forgotten."""
        self._revoked_at[user_id] = max(now, self._revoked_at.pop(user_id, now))
        while len(self._revoked_at) > REVOCATIONS_MAX:
            self._revoked_at.popitem(last=False)

    def known(self, now: float) -> dict[str, float]:
        """Every user whose tokens are revoked, and until when these were issued."""
        return {user_id: at for user_id, at in self._revoked_at.items() if now - at <= REVOCATION_SECONDS}

    def is_revoked(self, identity: Identity, now: float) -> bool:
        """True if this identity comes from a revoked token. A token without a time of issue counts as old."""
        revoked_at = self._revoked_at.get(identity.user_id)
        if revoked_at is None:
            return False
        if now - revoked_at > REVOCATION_SECONDS:
            del self._revoked_at[identity.user_id]
            return False
        return identity.issued_at is None or identity.issued_at <= revoked_at
