"""Acts that agents brought to a gateway, so that they can ask what became of them; in memory, the last ten thousand."""

from __future__ import annotations

from dataclasses import dataclass, field

from careledger.formats.relaying import RelayedEntry

MOST = 10_000


@dataclass
class Brought:
    """By their digests; not to be used by two threads at once."""

    _entries: dict[bytes, RelayedEntry] = field(default_factory=dict)

    def remember(self, entry: RelayedEntry) -> None:
        """Forgets the oldest one where there are too many."""
        self._entries.pop(entry.digest(), None)
        self._entries[entry.digest()] = entry
        if len(self._entries) > MOST:
            del self._entries[next(iter(self._entries))]

    def find(self, digest: bytes) -> RelayedEntry | None:
        """The act of that digest, if it was brought here."""
        return self._entries.get(digest)
