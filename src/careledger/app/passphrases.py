"""Where a passphrase comes from when nobody types it: the environment, or a file that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

from careledger.domain.errors import PassphraseMissing
from careledger.sealing.keys import Secret
from careledger.sealing.vault import passphrase_of

VARIABLE, OF_A_BACKUP = "CARELEDGER_PASSPHRASE", "CARELEDGER_BACKUP_PASSPHRASE"


def from_environment(variable: str = VARIABLE) -> Secret:
    """``CARELEDGER_PASSPHRASE``, or the first line of the file that ``CARELEDGER_PASSPHRASE_FILE`` names.

    ``variable``: another one than the first, beside which ``…_FILE`` names a file. Raises PassphraseMissing.
    """
    said = os.environ.get(variable)
    if said:
        return passphrase_of(said)
    named = os.environ.get(f"{variable}_FILE")
    if named:
        return from_file(Path(named))
    raise PassphraseMissing()


def from_file(path: Path) -> Secret:
    """The first line of a file; raises PassphraseMissing where there is none to read."""
    try:
        said = path.read_text().split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise PassphraseMissing(file="cannot be read") from None
    if not said:
        raise PassphraseMissing(file="is empty")
    return passphrase_of(said)
