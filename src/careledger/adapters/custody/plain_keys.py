"""Key files as they are, for demo and tests: whoever reads the directory has the keys."""

from __future__ import annotations

from careledger.domain.errors import MalformedBytes, StoreCorrupt
from careledger.formats.keyring import SealedKeyFile


class InsecurePlainKeys:
    """The port KeyFiles that seals nothing; it refuses a sealed file, whose vault is missing."""

    def seal(self, name: str, content: bytes) -> bytes:
        """The content itself."""
        return content

    def open(self, name: str, data: bytes) -> bytes:
        """The same; raises StoreCorrupt for a sealed file."""
        try:
            SealedKeyFile.decode(data)
        except MalformedBytes:
            return data
        raise StoreCorrupt(missing="vault", file=name)
