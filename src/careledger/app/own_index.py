"""Where the index of an organisation's own writings lies, and the key that opens it.

The key is derived from the organisation's tag key, which lies in its key file and under the vault's passphrase with it;
it is written nowhere. A file that is damaged or under another key is removed, and made again from the copies.
"""

from __future__ import annotations

from pathlib import Path

from careledger.adapters.index.file import WritingsFile, remove
from careledger.app.world import World
from careledger.domain.errors import StoreCorrupt
from careledger.sealing.keys import derive
from careledger.workflows.actors import Organisation

FILE = "writings.index"


def place(world: World, organisation: Organisation) -> Path:
    """The file."""
    return world.folder / "organisations" / f"{organisation.number:016x}" / FILE


def open_index(world: World, organisation: Organisation) -> WritingsFile:
    """The index, empty where it was missing; raises StoreCorrupt for one that this key does not open, and
    StoreUnavailable."""
    key = derive(organisation.tag, "own-writings-index")
    return WritingsFile(place(world, organisation), key.reveal())


def open_or_remake(world: World, organisation: Organisation) -> WritingsFile:
    """The index, an empty one in place of one that is damaged or under another key; raises StoreUnavailable."""
    try:
        return open_index(world, organisation)
    except StoreCorrupt:
        remove(place(world, organisation))
        return open_index(world, organisation)
