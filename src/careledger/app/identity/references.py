"""What stands for somebody in a service's log: a name that nobody but their organisation can lead back to them.

It is derived by HMAC-SHA-256 from a secret in the organisation's books, the same each time, so that what one account or
post did is found together.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from careledger.app.identity import accounts
from careledger.workflows.actors import Organisation

ACCOUNT, POST = b"account", b"post"
BYTES = 12
_LABEL = b"careledger/log-reference"


@dataclass(repr=False)
class References:
    """For one process: each organisation's key is read once, on the thread that first asks."""

    _keys: dict[int, bytes] = field(default_factory=dict)

    def account(self, organisation: Organisation, id: bytes) -> str:
        """Of an account."""
        return self._of(organisation, ACCOUNT, id)

    def post(self, organisation: Organisation, number: int) -> str:
        """Of a post."""
        return self._of(organisation, POST, number.to_bytes(8, "big"))

    def _of(self, organisation: Organisation, kind: bytes, id: bytes) -> str:
        key = self._keys.get(organisation.number)
        if key is None:
            key = hmac.digest(accounts.secret_of(organisation), _LABEL, "sha256")
            self._keys[organisation.number] = key
        return hmac.digest(key, kind + b"/" + id, "sha256")[:BYTES].hex()


def resolved(organisation: Organisation, posts: Iterable[int], reference: str) -> tuple[bytes, int]:
    """The account that a reference stands for, empty for none, or the post of these, 0 for none."""
    made = References()
    there = [accounts.NOBODY, *(each.id for each in accounts.people(organisation))]
    account = next((id for id in there if made.account(organisation, id) == reference), b"")
    return account, next((each for each in posts if made.post(organisation, each) == reference), 0)
