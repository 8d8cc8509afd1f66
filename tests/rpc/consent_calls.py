"""Signed consents as arguments for a tool that knows only the contract's ABI."""

from __future__ import annotations

import time
from typing import Any

from careledger.formats.consent_messages import GiveConsent
from careledger.formats.signatures import SigningKey

HOUR, DAY = 3_600, 86_400
OWNER = SigningKey(b"\x05" * 32)


def giving(chain_id: int, contract: bytes, what: int = 1, owner: SigningKey = OWNER) -> tuple[Any, ...]:
    """The argument of ``give``, signed by its owner for that contract."""
    now = int(time.time())
    made = GiveConsent(owner.address, what.to_bytes(32, "big"), now - HOUR, now + DAY, now + HOUR // 2)
    return tuple(made.carried(made.sign(owner, chain_id, contract)))
