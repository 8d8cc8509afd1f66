"""``careledger passphrase``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.app.vault import set_passphrase
from careledger.cli import passphrases
from careledger.cli.opening import existing
from careledger.cli.options import DATA, Data, Json, command, single
from careledger.cli.output import tell
from careledger.cli.words import counted

app = single()


@command(app, "passphrase", "careledger passphrase --new-file new-passphrase --data my-network")
def passphrase(
    new_file: Annotated[
        Path | None,
        typer.Option(
            passphrases.NEW_FILE,
            metavar="FILE",
            envvar="CARELEDGER_NEW_PASSPHRASE_FILE",
            help="A file whose first line is the new passphrase; else it is typed on a terminal, twice.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Set or change the passphrase that the keys in the data directory lie under.

    The present one, if there is one, comes from CARELEDGER_PASSPHRASE, from the file that CARELEDGER_PASSPHRASE_FILE
    names, or from the terminal. After an interruption the same command finishes. Whoever forgets the passphrase has
    lost the keys: only a patient's 24 words bring those of the patient back.
    """
    following = passphrases.following(new_file)
    sealed = set_passphrase(existing(data), passphrases.ask, following)
    tell(
        as_json,
        {"folder": str(data), "sealed_files": sealed},
        f"The keys in {data} lie under the new passphrase; {counted(sealed, 'key file')} had not been sealed before.",
        *(["What lay unsealed may still be on the disk's free blocks and in backups."] if sealed else []),
    )
