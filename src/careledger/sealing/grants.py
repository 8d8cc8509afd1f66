"""Grant packages: sealed to an organisation, of three sizes only, with nothing on them that says for whom.

Every member fetches all packages and tries its keys once. A package's size on the board is exactly 4, 16 or
64 KiB, so it tells how much is granted only that roughly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from careledger.domain.errors import CannotOpen, MalformedBytes, PackageTooLarge
from careledger.sealing import padme
from careledger.sealing.keys import OVERHEAD, SealingKey, sealing_key_digest, unwrap, wrap

SIZES = (4 * 1024, 16 * 1024, 64 * 1024)
MOST_CONTENT = SIZES[-1] - OVERHEAD - padme.PREFIX


def seal_package(organisation_public: bytes, content: bytes) -> bytes:
    """The package, padded and sealed; raises PackageTooLarge over 64,392 bytes of content, KeyRefused."""
    for size in SIZES:
        room = size - OVERHEAD
        if padme.PREFIX + len(content) <= room:
            padded = padme.pad_to(content, room)
            return wrap(organisation_public, padded, "grant-package", sealing_key_digest(organisation_public))
    raise PackageTooLarge(bytes=len(content), most=MOST_CONTENT)


def open_package(key: SealingKey, package: bytes) -> bytes:
    """The content; raises CannotOpen if it is for somebody else, MalformedBytes if wrongly padded."""
    if len(package) not in SIZES:
        raise CannotOpen(why="not a package's size")
    return padme.unpad_from(unwrap(key, package, "grant-package", key.digest))


def find_packages(keys: Sequence[SealingKey], packages: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Index and content of the packages that one of these keys opens; passes over all others, wrongly padded ones
    too: anybody can seal to anybody."""
    for index, package in enumerate(packages):
        for key in keys:
            try:
                content = open_package(key, package)
            except (CannotOpen, MalformedBytes):
                continue
            yield index, content
            break
