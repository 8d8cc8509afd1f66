"""Where a passphrase comes from when nobody types it: the environment, or a file that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

from careledger.domain.errors import PassphraseMissing
from careledger.sealing.keys import Secret
from careledger.sealing.vault import passphrase_of

VARIABLE, FILE_VARIABLE = "CARELEDGER_PASSPHRASE", "CARELEDGER_PASSPHRASE_FILE"


def from_environment() -> Secret:
    """``CARELEDGER_PASSPHRASE``, or the first line of the file that ``CARELEDGER_PASSPHRASE_FILE`` names.

    Raises PassphraseMissing.
    """
    said = os.environ.get(VARIABLE)
    if said:
        return passphrase_of(said)
    named = os.environ.get(FILE_VARIABLE)
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
