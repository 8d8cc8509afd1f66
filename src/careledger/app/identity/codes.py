"""Codes: those of an authenticator app, each counted once (RFC 6238), recovery codes, and an employer's invitations."""

from __future__ import annotations

import base64
import hashlib
import secrets
from hmac import compare_digest

from pyotp import TOTP
from pyotp.utils import build_uri

PERIOD, DIGITS = 30, 6
SECRET = 20
DRIFT = 1
"""Time steps that a clock may be wrong by."""
RECOVERY_CODES, RECOVERY_BYTES = 10, 16
INVITATION_BYTES = 20
ISSUER = "CareLedger"


def new_totp() -> bytes:
    """A new secret for an authenticator app, 20 bytes."""
    return secrets.token_bytes(SECRET)


def totp_uri(secret: bytes, name: str) -> str:
    """What an authenticator app is shown."""
    return build_uri(_base32(secret), name, issuer=ISSUER)


def totp_code(secret: bytes, step: int) -> str:
    """The code of one time step."""
    return TOTP(_base32(secret), digits=DIGITS, interval=PERIOD).generate_otp(step)


def totp_step(secret: bytes, code: str, after: int, now: int) -> int | None:
    """The time step that a code is of, None if it is of none near now that comes after that one.

    It takes as long for every code."""
    here, found = now // PERIOD, None
    for step in range(here - DRIFT, here + DRIFT + 1):
        if compare_digest(totp_code(secret, step).encode(), code.encode()) and step > after:
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Codes for whoever lost the authenticator app, shown once."""
    return [_readable(secrets.token_bytes(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]


def new_invitation() -> str:
    """A code by which an employer's word reaches whom it is for."""
    return _readable(secrets.token_bytes(INVITATION_BYTES))


def code_digest(code: str) -> bytes:
    """What is kept of a recovery code or an invitation; as random as these are, a plain digest is enough."""
    return hashlib.sha256("".join(filter(str.isalnum, code)).upper().encode()).digest()


def _readable(made: bytes) -> str:
    letters = _base32(made).rstrip("=")
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def _base32(made: bytes) -> str:
    return base64.b32encode(made).decode("ascii")
