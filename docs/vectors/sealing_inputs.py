"""The fixed inputs of sealing.json."""

from __future__ import annotations

import hashlib

from careledger.sealing import epochs, versions
from careledger.sealing.keys import SealingKey, Secret

ALIAS = bytes(range(100, 132))
HANDLE = bytes(range(32, 64))
SALT = bytes(range(200, 224))
EPOCH = epochs.Epoch(ALIAS, 6, 2)
EPOCH_FIELDS = {"alias": ALIAS.hex(), "compartment": 6, "number": 2}
FRAME = bytes.fromhex(
    "28b52ffd2016b100007b227265736f7572636554797065223a2250616e227d"
)  # of PLAINTEXT, stored raw
DICTIONARY_FRAME = bytes.fromhex("28b52ffd2308293501166500002850616e227d0100246eae40")  # of PLAINTEXT too
PLAINTEXT = b'{"resourceType":"Pan"}'


def fixed(number: int) -> Secret:
    """A 32-byte secret that anybody can make: SHA-256 of one byte, below p."""
    return Secret(hashlib.sha256(bytes([number])).digest())


RECIPIENT = SealingKey(fixed(1))
BATCH, CUSTODIAL = fixed(2), fixed(3)
RECORD = versions.record_secret(BATCH, HANDLE)
BODY_KEY = versions.body_key(RECORD, CUSTODIAL)


def show(value: Secret | bytes) -> str:
    """As the vectors write it: hexadecimal."""
    return (value.reveal() if isinstance(value, Secret) else value).hex()
