"""Which logs somebody looks for: blocks, emitters, and topics by place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from careledger.formats.signatures import Address

Topics = tuple[frozenset[bytes] | None, ...]


@dataclass(frozen=True, slots=True)
class LogSearch:
    """Logs of blocks first…last by any of ``addresses`` (none: by anybody).

    ``topics`` has by place the topics of which one must stand there, or None for any; a log with fewer topics than
    places does not match, one with more does.
    """

    first: int
    last: int
    addresses: frozenset[Address] = frozenset()
    topics: Topics = ()

    def terms(self) -> tuple[str, Sequence[object]]:
        """What SQL can decide on table ``logs`` by its index, and the values; ``matches`` decides the rest."""
        terms: list[str] = ["logs.block BETWEEN ? AND ?"]
        values: list[object] = [self.first, self.last]
        leading = self.topics[0] if self.topics else None
        for column, wanted in (("address", self.addresses or None), ("topic", leading)):
            if wanted is not None:
                terms.append(f"{column} IN ({', '.join('?' * len(wanted))})")
                values += sorted(wanted)
        return " AND ".join(terms), values

    def matches(self, topics: Sequence[bytes]) -> bool:
        """Whether a log with these topics has what is wanted at every place."""
        if len(self.topics) > len(topics):
            return False
        return all(want is None or have in want for want, have in zip(self.topics, topics, strict=False))
