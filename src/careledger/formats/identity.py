"""Who signs in at an organisation, in its books: accounts, what proves them, their sessions, and what was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.digests import digest
from careledger.formats.schema import Message, maybe, message, octets, several, text, uint
from careledger.formats.sessions import Assertion

MOST_PASSKEYS = 20
MOST_CREDENTIAL = 1023


@dataclass(frozen=True)
class Claim(Message):
    """Who somebody says they are, in one organisation's books only; ``birth`` is a date with its precision."""

    TYPE: ClassVar[str] = "identity-claim"
    name: str = text(200)
    national_id: str = text(64)
    birth: str = text(10)
    salt: bytes = octets(32)

    @property
    def commitment(self) -> bytes:
        """What stands for it elsewhere: ``H("identity-claim", salt, name, national_id, birth)``."""
        said = (each.encode() for each in (self.name, self.national_id, self.birth))
        return digest("identity-claim", self.salt, *said)


@dataclass(frozen=True)
class Account(Message):
    """Somebody who signs in at one organisation, under 16 random bytes in its books.

    ``name`` is the sign-in name, which the gateway chose. ``state``: ``pending`` until the organisation approved,
    ``active``, ``suspended``, or ``decoy`` for the one that nobody has. ``post`` is the party that a member of staff
    acts as, 0 for nobody; ``alias`` the patient's, empty for nobody. A session of another ``generation`` is over.
    ``passkeys`` are the SHA-256 of credential ids. ``claim`` is null once it stands in the identity table.
    """

    TYPE: ClassVar[str] = "account"
    name: str = text(16)
    state: str = text(16)
    generation: int = uint(32)
    post: int = uint()
    alias: bytes = octets(most=32)
    commitment: bytes = octets(32)
    claim: Claim | None = maybe(message(Claim))
    passkeys: tuple[bytes, ...] = several(octets(32), MOST_PASSKEYS)
    made: int = uint()


@dataclass(frozen=True)
class Passkey(Message):
    """A public key credential (WebAuthn Level 3), under the SHA-256 of its id; ``public_key`` is a COSE key.

    ``count`` is the signature counter last seen.
    """

    TYPE: ClassVar[str] = "passkey"
    account: bytes = octets(16)
    credential: bytes = octets(most=MOST_CREDENTIAL)
    public_key: bytes = octets(most=2_048)
    count: int = uint(32)
    made: int = uint()
    used: int = uint()


@dataclass(frozen=True)
class Password(Message):
    """What proves somebody without a passkey: a password's Argon2id hash in PHC form, and codes beside it.

    ``totp`` is the secret of RFC 6238; no code of a time step up to ``step`` counts again. ``recovery`` are the SHA-256
    of the recovery codes that are left.
    """

    TYPE: ClassVar[str] = "password"
    hash: str = text(200)
    totp: bytes = octets(20)
    step: int = uint()
    recovery: tuple[bytes, ...] = several(octets(32), 16)
    made: int = uint()


@dataclass(frozen=True, repr=False)
class BoundKey(Message):
    """A session key that a challenge was made of: its private part, the nonce and the end that are in it too."""

    TYPE: ClassVar[str] = "bound-session-key"
    secret: bytes = octets(32)
    nonce: bytes = octets(32)
    until: int = uint()


@dataclass(frozen=True, repr=False)
class Shown(Message):
    """A passkey as it was shown for one session key, whose private part is ``secret``; ``credential`` is the SHA-256 of
    its id, ``rp_id`` and ``origin`` are where it was shown."""

    TYPE: ClassVar[str] = "passkey-shown"
    secret: bytes = octets(32)
    credential: bytes = octets(32)
    rp_id: str = text(253)
    origin: str = text(300)
    assertion: Assertion = message(Assertion)


@dataclass(frozen=True)
class SignedIn(Message):
    """A session of an account, under the SHA-256 of the 32 bytes that its browser holds.

    ``proof`` is ``passkey`` or ``vouched``, as session statements say it; ``shown`` is the passkey, null for what the
    organisation vouches for; ``proved`` is when it was last shown; ``purpose`` is a purpose of use code. ``seen`` is
    written at most once a minute. ``label`` is what the browser calls itself. ``unique`` is the same whatever id the
    session has after a fresh proof.
    """

    TYPE: ClassVar[str] = "signed-in"
    account: bytes = octets(16)
    generation: int = uint(32)
    proof: str = text(16)
    shown: Shown | None = maybe(message(Shown))
    purpose: str = text(32)
    began: int = uint()
    proved: int = uint()
    seen: int = uint()
    until: int = uint()
    label: str = text(100)
    unique: bytes = octets(16)


@dataclass(frozen=True)
class Challenge(Message):
    """What has to be answered once, until ``until``, under the SHA-256 of the challenge.

    ``act`` is what it is for. ``account`` is zero where any may answer; ``session`` is the digest of the session that
    asked, empty for none; ``totp`` is a secret that is not anybody's yet. ``bound`` is the session key that is to act
    once a passkey is shown for it, null where no session begins or goes on by the answer.
    """

    TYPE: ClassVar[str] = "sign-in-challenge"
    act: str = text(16)
    account: bytes = octets(16)
    session: bytes = octets(most=32)
    totp: bytes = octets(most=20)
    bound: BoundKey | None = maybe(message(BoundKey))
    until: int = uint()


@dataclass(frozen=True)
class Attempts(Message):
    """How often a secret was tried in vain, from one place or from everywhere, and when last."""

    TYPE: ClassVar[str] = "attempts"
    failed: int = uint(32)
    last: int = uint()


@dataclass(frozen=True)
class Invitation(Message):
    """An employer's word that whoever brings its code holds this post, under the code's SHA-256; good once."""

    TYPE: ClassVar[str] = "invitation"
    post: int = uint()
    made: int = uint()
    until: int = uint()


@dataclass(frozen=True)
class KnownDevice(Message):
    """A browser from which an account signed in, under ``H("known-device", account, SHA-256 of its cookie)``."""

    TYPE: ClassVar[str] = "known-device"
    seen: int = uint()
