"""Sessions of posts: the statement that a session key acts for a post, and the passkey that was shown for that key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.digests import digest
from careledger.formats.digests import uint as field
from careledger.formats.schema import Message, maybe, message, octets, text, uint
from careledger.formats.signatures import Address
from careledger.formats.signed import Signed

MOST_SESSION = 12 * 3600
MOST_STATEMENT = 8 * 1024
PASSKEY, VOUCHED, MACHINE = "passkey", "vouched", "machine"


@dataclass(frozen=True)
class Assertion(Message):
    """What a passkey signed so that one session key may act (WebAuthn Level 3, §7.2).

    ``public_key`` is the credential's, a COSE key; ``authenticator_data``, ``client_data`` (the JSON) and ``signature``
    are the authenticator's answer to the challenge ``H("session-challenge", deployment, session key, until, nonce)``.
    ``until`` is the end that no statement for that key may go beyond, unix seconds.
    """

    TYPE: ClassVar[str] = "passkey-assertion"
    public_key: bytes = octets(most=2_048)
    authenticator_data: bytes = octets(most=1_024)
    client_data: bytes = octets(most=2_048)
    signature: bytes = octets(most=1_024)
    nonce: bytes = octets(32)
    until: int = uint()


@dataclass(frozen=True)
class Enrolled(Message):
    """A post's passkey since a time, signed by the post's key when the passkey is first shown for it.

    ``key`` is ``H("passkey-key", public key)``; ``rp_id`` and ``origin`` are where it is shown.
    """

    TYPE: ClassVar[str] = "passkey-enrolled"
    post: int = uint()
    key: bytes = octets(32)
    rp_id: str = text(253)
    origin: str = text(300)
    since: int = uint()


@dataclass(frozen=True)
class PasskeyProof(Message):
    """The signature of a passkey, and the post's signed word since when that passkey is its own (``Enrolled``)."""

    TYPE: ClassVar[str] = "passkey-proof"
    assertion: Assertion = message(Assertion)
    enrolled: Signed = message(Signed)


@dataclass(frozen=True)
class SessionStatement(Message):
    """A post lets a session key act until a time; signed by the post's key.

    ``proof`` is how the person proved themselves, as the organisation says: ``passkey``, ``vouched`` (by the
    organisation after its own sign-on) or ``machine``. Only ``passkey`` is proved by more than its word, by the field
    of that name, null for the others; what does not verify counts as ``vouched``. ``until`` is at most 12 h after
    ``made``; both unix seconds. At most 8 KiB, because custodians keep it for each patient whom the session asks about.
    """

    TYPE: ClassVar[str] = "session-statement"
    MOST: ClassVar[int] = MOST_STATEMENT
    post: int = uint()
    session_key: bytes = octets(20)
    proof: str = text(16)
    passkey: PasskeyProof | None = maybe(message(PasskeyProof))
    made: int = uint()
    until: int = uint()


@dataclass(frozen=True)
class SessionProof(Message):
    """A session statement with its signature, as requests carry it."""

    TYPE: ClassVar[str] = "session-proof"
    statement: Signed = message(Signed)


def session_challenge(deployment: bytes, session_key: Address, until: int, nonce: bytes) -> bytes:
    """What a passkey is shown for: ``H("session-challenge", deployment, session key, until, nonce)``."""
    return digest("session-challenge", deployment, session_key, field(until), nonce)


def passkey_digest(public_key: bytes) -> bytes:
    """What names a passkey to others, and not its credential id: ``H("passkey-key", public key)``."""
    return digest("passkey-key", public_key)
