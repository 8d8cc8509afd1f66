"""What a member relays, sealed to it: of four sizes only, so that who forwards it learns nothing from its length."""

from __future__ import annotations

from careledger.domain.errors import CannotOpen, PackageTooLarge
from careledger.formats.digests import uint
from careledger.sealing import padme
from careledger.sealing.keys import OVERHEAD, SealingKey, unwrap, wrap

SIZES = (4 * 1024, 8 * 1024, 20 * 1024, 68 * 1024)
"""Every ledger entry has the first; a package of 4, 16 or 64 KiB has one of the others."""


def seal_relayed(public: bytes, deployment: bytes, member: int, content: bytes) -> bytes:
    """The content, padded and sealed to that member of that network; raises PackageTooLarge, KeyRefused."""
    for size in SIZES:
        room = size - OVERHEAD
        if padme.PREFIX + len(content) <= room:
            return wrap(public, padme.pad_to(content, room), "relay", deployment, uint(member))
    raise PackageTooLarge(bytes=len(content), most=SIZES[-1] - OVERHEAD - padme.PREFIX)


def open_relayed(key: SealingKey, deployment: bytes, member: int, sealed: bytes) -> bytes:
    """What was sealed for that member; raises CannotOpen for anything else, MalformedBytes if wrongly padded."""
    if len(sealed) not in SIZES:
        raise CannotOpen(why="not a relayed message's size")
    return padme.unpad_from(unwrap(key, sealed, "relay", deployment, uint(member)))
