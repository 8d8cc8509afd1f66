"""What a registrar's own table says of who a patient is."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from careledger.formats.schema import Message, octets, text


@dataclass(frozen=True)
class Identity(Message):
    """A row of a registrar's identity table, inside its walls and encrypted at rest; no field is mandatory.

    ``name`` in any script, ``romanised`` beside it; ``birth`` is a date with its precision (``1970``, ``1970-01``,
    ``1970-01-31``).
    """

    TYPE = "identity"
    alias: bytes = octets(32)
    registration: bytes = octets(16)
    name: str = text(200)
    romanised: str = text(200)
    national_id: str = text(64)
    birth: str = text(10)
    salt: bytes = octets(32)


NOBODY = Identity(bytes(32), bytes(16), "", "", "", "", bytes(32))


def bare(number: str) -> str:
    """A number without whatever separates its groups."""
    return "".join(each for each in unicodedata.normalize("NFKD", number).casefold() if each.isalnum())
