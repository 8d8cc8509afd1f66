"""Key files of the actors of one machine: each in its own directory, mode 0600, sealed under a passphrase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, flag, octets, several, text, uint


@dataclass(frozen=True)
class OrganisationKeys(Message):
    """An organisation's private keys: controller (secp256k1), sealing and chart (X-Wing seeds), content tags, books.

    ``label`` is what people call it; ``kind`` is ``organisation`` or ``ministry``.
    """

    TYPE: ClassVar[str] = "organisation-keys"
    label: str = text(100)
    kind: str = text(16)
    number: int = uint()
    role: int = uint(8)
    controller: bytes = octets(32)
    sealing: bytes = octets(32)
    chart: bytes = octets(32)
    tag: bytes = octets(32)
    books: bytes = octets(32)


@dataclass(frozen=True)
class StaffKey(Message):
    """A post's key in its employer's books."""

    TYPE: ClassVar[str] = "staff-key"
    label: str = text(100)
    number: int = uint()
    roles: tuple[int, ...] = several(uint(8), most=16)
    key: bytes = octets(32)


@dataclass(frozen=True)
class BearerToken(Message):
    """What a post's programs may do with a token that its employer issued, under the token's SHA-256 in its books.

    ``purpose`` is a purpose of use code; ``issued`` and ``until`` are unix seconds; ``label`` says what it is for;
    ``scopes`` are those of an app, empty for a token that asks whatever the post may.
    """

    TYPE: ClassVar[str] = "bearer-token"
    post: int = uint()
    purpose: str = text(32)
    issued: int = uint()
    until: int = uint()
    label: str = text(100)
    scopes: str = text(1_000)


@dataclass(frozen=True)
class AnsweredOnce(Message):
    """What a request with an idempotency key was answered, in the books of the asking post's employer.

    ``request`` is the digest of the request; ``status`` and ``body`` are the answer's; ``at`` is unix seconds.
    """

    TYPE: ClassVar[str] = "answered-once"
    request: bytes = octets(32)
    status: int = uint(16)
    at: int = uint()
    body: bytes = octets(most=65_536)


@dataclass(frozen=True)
class AcceptedLater(Message):
    """A request that a client does not wait for, in the books of the asking post's employer, under the digest of its
    token and 16 bytes that name it.

    ``until`` when (unix seconds) it is remembered; ``done`` once what became of it is durable under the same name: a
    Bundle in canonical JSON, as zlib compresses it.
    """

    TYPE: ClassVar[str] = "accepted-later"
    until: int = uint()
    done: bool = flag()


@dataclass(frozen=True)
class PatientKeysFile(Message):
    """What a patient's agent keeps on its own device: the phrase's entropy, the alias, the key of its books."""

    TYPE: ClassVar[str] = "patient-keys"
    label: str = text(100)
    alias: bytes = octets(32)
    entropy: bytes = octets(32)
    books: bytes = octets(32)


@dataclass(frozen=True)
class Vault(Message):
    """The file ``vault`` of a data directory: the master secret of its key files, sealed under a passphrase.

    ``kdf`` is ``argon2id``; ``memory`` in KiB, ``iterations`` and ``lanes`` are its cost (RFC 9106). ``sealed`` is a
    nonce of 12 bytes ‖ AES-256-GCM of the 32-byte master secret.
    """

    TYPE: ClassVar[str] = "vault"
    kdf: str = text(16)
    memory: int = uint(32)
    iterations: int = uint(32)
    lanes: int = uint(8)
    salt: bytes = octets(16)
    sealed: bytes = octets(60)


@dataclass(frozen=True)
class SealedKeyFile(Message):
    """A key file under a vault: a nonce of 12 bytes ‖ AES-256-GCM of what the file holds where there is no vault."""

    TYPE: ClassVar[str] = "sealed-key-file"
    sealed: bytes = octets(most=65_536)
