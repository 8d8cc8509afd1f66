"""Key files of the actors of one machine: each in its own directory, mode 0600, read by nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, octets, several, text, uint


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
class PatientKeysFile(Message):
    """What a patient's agent keeps on its own device: the phrase's entropy, the alias, the key of its books."""

    TYPE: ClassVar[str] = "patient-keys"
    label: str = text(100)
    alias: bytes = octets(32)
    entropy: bytes = octets(32)
    books: bytes = octets(32)
