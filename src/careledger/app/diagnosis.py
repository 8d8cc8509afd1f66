"""What an examination of a data directory found."""

from __future__ import annotations

from dataclasses import dataclass

WELL, MENDED, OPEN, ILL = "well", "mended", "open", "ill"


@dataclass(frozen=True)
class Diagnosis:
    """One part: ``well``; ``mended`` just now; ``open``: something is left to do, which repairing does; ``ill``: what
    this machine alone cannot mend."""

    part: str
    state: str
    sentence: str

    @property
    def sound(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in (WELL, MENDED)
