"""``careledger backup``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.cli import backups
from careledger.cli.opening import existing
from careledger.cli.options import DATA, Data, Json, command, group
from careledger.cli.output import progress, tell
from careledger.cli.words import counted
from careledger.domain.errors import DirectoryNotFound

if TYPE_CHECKING:
    from collections.abc import Callable

app = group(
    "Backups of a data directory: create while it is in use, verify, restore; a second place of shred keys."
)
Backup = Annotated[Path, typer.Argument(metavar="BACKUP", help="The directory with the backup's copies.")]
Copy = Annotated[
    int, typer.Option("--copy", metavar="NUMBER", min=0, show_default="the newest", help="Which copy.")
]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="FILE", help="The key file that opens it; else its passphrase is asked for."
    ),
]
Target = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", help="A new or empty directory; with --custodian the one that lost its directory."
    ),
]
Place = Annotated[
    Path | None,
    typer.Option("--shred-keys", metavar="PLACE", help="The second place of all custodians' shred keys."),
]
Without = Annotated[
    bool,
    typer.Option(
        "--without-shred-keys",
        help="Restore although no custodian can then open a share: only authors' copies can be read.",
    ),
]
One = Annotated[
    str,
    typer.Option(
        "--custodian", metavar="NAME", help="Restore this one custodian, whose shares the others remake."
    ),
]


@command(app, "key", "careledger backup key backup.key")
def key(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A new file; FILE.public goes to the machine.")
    ],
    as_json: Json = False,
) -> None:
    """Make a key for backups: FILE opens them and is kept elsewhere, FILE.public is all that the machine needs."""
    public, digest = backups.new_key(file)
    tell(
        as_json,
        {"key": str(file), "public": str(public), "digest": digest},
        f"{file} opens every backup made with --to {public}: keep it where the backups are not.",
    )


@command(app, "create", "careledger backup create nightly --to backup.key.public")
def create(
    backup: Backup,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The public key that the backup is sealed to; else a passphrase opens it."
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Copy a data directory as it is at one moment, encrypted, also while it is in use; of blocks only what is new.

    Without --to the backup lies under a passphrase of its own: CARELEDGER_BACKUP_PASSPHRASE, the file that
    CARELEDGER_BACKUP_PASSPHRASE_FILE names, or the terminal. Note down the digest and the ledger's head that are shown:
    verify shows them again. Shred keys are in no backup; see second-place.
    """
    from careledger.app.backup.create import create as make
    from careledger.app.clocks import SystemClock

    folder, public = existing(data), backups.recipient(backup, to)
    with progress() as bar:
        made = make(folder, backup, public, SystemClock(), _moving(bar.add_task("copying"), bar.update))
    said = made.manifest
    facts = {
        "backup": str(backup),
        **backups.facts(said, made.digest),
        "written": made.written,
        "paused": round(made.paused, 3),
    }
    tell(
        as_json,
        facts,
        f"Copy {said.number}: {counted(len(said.files), 'file')}, {backups.size(said):,} bytes, of which "
        f"{made.written:,} were new; writers waited {made.paused:.3f} s.",
        *backups.stands(said, made.digest),
    )


@command(app, "verify", "careledger backup verify nightly --key backup.key")
def verify(backup: Backup, copy: Copy = 0, key: Key = None, as_json: Json = False) -> None:
    """Open, measure and hash every part of a copy, without restoring it; one that was not finished is named."""
    from careledger.app.backup import places
    from careledger.app.backup.verify import verify as check

    number = copy or places.newest(_there(backup))
    opener = backups.opener(backup, key)
    with progress() as bar:
        said, digest = check(backup, number, opener, _moving(bar.add_task("verifying"), bar.update))
    whole = places.copies(backup)
    tell(
        as_json,
        {
            "backup": str(backup),
            **backups.facts(said, digest),
            "copies": [{"copy": each, "complete": complete} for each, complete in whole.items()],
        },
        f"Copy {said.number}: {counted(len(said.files), 'file')}, {backups.size(said):,} bytes, as they were written.",
        *backups.stands(said, digest),
    )


@command(
    app,
    "restore",
    "careledger backup restore nightly restored --key backup.key --without-shred-keys",
)
def restore(
    backup: Backup,
    target: Target,
    copy: Copy = 0,
    key: Key = None,
    shred_keys: Place = None,
    without: Without = False,
    custodian: One = "",
    as_json: Json = False,
) -> None:
    """Restore a copy: the whole directory into an empty one, or one custodian into the directory that has lost it.

    After an interruption the same command goes on. What was erased since the copy was made does not come back: its
    shred keys are gone.
    """
    from careledger.app.backup import places

    if sum((shred_keys is not None, without, bool(custodian))) != 1:
        ways = "--shred-keys / --without-shred-keys / --custodian"
        raise typer.BadParameter("one of --shred-keys, --without-shred-keys and --custodian", param_hint=ways)
    number = copy or places.newest(_there(backup))
    opener = backups.opener(backup, key)
    with progress() as bar:
        moving = _moving(bar.add_task("restoring"), bar.update)
        said, digest = backups.restored(backup, number, opener, target, shred_keys, custodian, moving)
    tell(
        as_json,
        {
            "folder": str(target),
            **backups.facts(said, digest),
            "custodian": custodian or None,
            "shred_keys": shred_keys is not None,
        },
        f"Copy {said.number} is restored in {target}.",
        *backups.stands(said, digest),
        *backups.following(target, shred_keys, custodian),
    )


@command(app, "second-place", "careledger backup second-place shred-place")
def second_place(
    place: Annotated[
        Path | None,
        typer.Argument(metavar="PLACE", help="A directory on another disk, which is backed up nowhere."),
    ] = None,
    end: Annotated[
        bool, typer.Option("--end", help="Have none any more: the keys there are destroyed.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Keep every custodian's shred keys in a second place too, at every moment the same, and destroyed there first.

    It is what a loss of this directory with all its custodians needs beside a backup. Whoever has it and a backup reads
    what the custodians can: keep it apart. Where it cannot be reached, custodians do not start. Nothing else may have
    the data directory open.
    """
    from careledger.app.backup import second_place as places

    if (place is None) != end:
        raise typer.BadParameter("a PLACE, or --end", param_hint="PLACE")
    folder = existing(data)
    count = places.end(folder) if place is None else places.keep(folder, place)
    said = (
        "No custodian has a second place any more; the keys there are destroyed."
        if place is None
        else f"{counted(count, 'shred key')} lie in {place} as well; what is destroyed here is destroyed there first."
    )
    tell(as_json, {"folder": str(data), "place": None if place is None else str(place), "keys": count}, said)


def _there(backup: Path) -> Path:
    if not backup.is_dir():
        raise DirectoryNotFound(backup=str(backup))
    return backup


def _moving(task: object, update: Callable[..., None]) -> Callable[[int, int], None]:
    return lambda done, of: update(task, completed=done, total=of)
