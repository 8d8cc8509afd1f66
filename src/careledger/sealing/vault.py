"""Key files at rest: a passphrase opens a vault with one master secret, from which each file's key comes.

Changing the passphrase writes the vault alone. Argon2id (RFC 9106) makes guessing dear; its cost stands in the vault.
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from careledger.domain.errors import CannotOpen, MalformedBytes, PassphraseRefused
from careledger.formats.digests import framed, uint
from careledger.formats.keyring import SealedKeyFile, Vault
from careledger.sealing.keys import Secret, derive

ARGON2ID = "argon2id"
SALT, NONCE, MASTER = 16, 12, 32
LEAST_LETTERS = 15
"""What NIST SP 800-63B-4 §3.1.1.2 asks of a password that is the only factor."""


@dataclass(frozen=True)
class Cost:
    """What one guess costs: memory in KiB, passes over it, lanes."""

    memory: int
    iterations: int
    lanes: int


COST = Cost(65_536, 3, 4)
"""RFC 9106 §4, the second recommended option."""
MOST = Cost(1_048_576, 16, 16)
"""Beyond this a vault is not opened: it would only cost time."""


def passphrase_of(said: str) -> Secret:
    """The bytes of a passphrase, composed as RFC 8265 has it, so that every keyboard types the same."""
    return Secret(unicodedata.normalize("NFC", said).encode())


def new_vault(
    passphrase: Secret, master: Secret, cost: Cost | None = None, salt: bytes = b"", nonce: bytes = b""
) -> Vault:
    """A vault with that master secret (32 bytes); ``salt`` and ``nonce`` are random unless given for vectors."""
    cost = cost or COST
    salt, nonce = salt or secrets.token_bytes(SALT), nonce or secrets.token_bytes(NONCE)
    empty = Vault(ARGON2ID, cost.memory, cost.iterations, cost.lanes, salt, bytes(NONCE + MASTER + 16))
    cipher = AESGCM(_key(empty, passphrase).reveal())
    sealed = nonce + cipher.encrypt(nonce, master.reveal(), _header(empty))
    return Vault(ARGON2ID, cost.memory, cost.iterations, cost.lanes, salt, sealed)


def open_vault(vault: Vault, passphrase: Secret) -> Secret:
    """The master secret; raises PassphraseRefused, MalformedBytes for another function or an absurd cost."""
    known = vault.kdf == ARGON2ID
    if (
        not known
        or vault.memory > MOST.memory
        or vault.iterations > MOST.iterations
        or vault.lanes > MOST.lanes
    ):
        raise MalformedBytes(what="vault", kdf=vault.kdf)
    nonce, sealed = vault.sealed[:NONCE], vault.sealed[NONCE:]
    try:
        return Secret(AESGCM(_key(vault, passphrase).reveal()).decrypt(nonce, sealed, _header(vault)))
    except InvalidTag:
        raise PassphraseRefused() from None


def directory_key(master: Secret, directory: str) -> Secret:
    """What the key files of one directory are sealed with: whoever serves it needs no more.

    ``directory`` is its path below the data directory, with slashes.
    """
    return derive(master, "key-directory", directory.encode())


def seal_file(key: Secret, name: str, content: bytes, nonce: bytes = b"") -> bytes:
    """A key file's bytes under its directory's key; ``nonce`` is random unless given for vectors."""
    nonce = nonce or secrets.token_bytes(NONCE)
    cipher = AESGCM(derive(key, "key-file", name.encode()).reveal())
    return SealedKeyFile(nonce + cipher.encrypt(nonce, content, framed("key-file", name.encode()))).encode()


def open_file(key: Secret, name: str, data: bytes) -> bytes:
    """What seal_file sealed under that name; raises MalformedBytes, CannotOpen."""
    sealed = SealedKeyFile.decode(data).sealed
    cipher = AESGCM(derive(key, "key-file", name.encode()).reveal())
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], framed("key-file", name.encode()))
    except (InvalidTag, ValueError):
        raise CannotOpen(file=name) from None


def _key(vault: Vault, passphrase: Secret) -> Secret:
    try:
        function = Argon2id(
            salt=vault.salt,
            length=32,
            iterations=vault.iterations,
            lanes=vault.lanes,
            memory_cost=vault.memory,
        )
    except ValueError:
        raise MalformedBytes(what="vault", why="a cost that RFC 9106 does not allow") from None
    return derive(Secret(function.derive(passphrase.reveal())), "vault")


def _header(vault: Vault) -> bytes:
    cost = (uint(vault.memory, 4), uint(vault.iterations, 4), uint(vault.lanes, 1))
    return framed("vault", vault.kdf.encode(), *cost, vault.salt)
