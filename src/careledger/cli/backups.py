"""Backups for a person: whose key opens one, what a copy holds, what to do next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from careledger.cli.opening import existing
from careledger.cli.output import write_private
from careledger.cli.passphrases import ask, ask_new_of_backup, ask_of_backup
from careledger.cli.words import Facts

if TYPE_CHECKING:
    from careledger.formats.backups import BackupManifest
    from careledger.sealing.keys import SealingKey

SEED, PUBLIC = 32, 1_216
"""Bytes of a private and of a public key."""


def new_key(file: Path) -> tuple[Path, str]:
    """Writes a key file and its public half beside it; returns the latter and the public key's digest in hex."""
    from careledger.sealing.keys import SealingKey

    made, public = SealingKey.random(), file.with_name(file.name + ".public")
    write_private(file, made.seed.reveal().hex().encode() + b"\n", "FILE")
    write_private(public, made.public.hex().encode() + b"\n", "FILE")
    return public, made.digest.hex()


def recipient(backup: Path, to: Path | None) -> bytes:
    """The public key of a backup, new or there: of the file, or of what lies under its passphrase."""
    from careledger.app.backup import places

    if to is not None:
        return _public(backup, _hex(to, "--to"))
    there = (backup / places.VAULT).exists()
    return places.key_under(backup, ask_of_backup if there else ask_new_of_backup, make=True).public


def _public(backup: Path, said: bytes) -> bytes:
    """Raises BadParameter, before anything is written, for what is no public key, or not this backup's."""
    from careledger.app.backup import places

    if len(said) == SEED:
        why = (
            "that is the key itself, which belongs where no backup is: give FILE.public, which lies beside it"
        )
        raise typer.BadParameter(why, param_hint="--to")
    if len(said) != PUBLIC:
        raise typer.BadParameter("not the public half of a key of careledger backup key", param_hint="--to")
    if not places.is_for(backup, said):
        raise typer.BadParameter(f"{backup} is for another key; begin a new one", param_hint="--to")
    return said


def opener(backup: Path, file: Path | None) -> SealingKey:
    """The private key of a backup."""
    from careledger.app.backup import places
    from careledger.sealing.keys import SealingKey, Secret

    if file is None:
        return places.key_under(backup, ask_of_backup)
    seed = _hex(file, "--key")
    if len(seed) != SEED:
        raise typer.BadParameter("not a key file of careledger backup key", param_hint="--key")
    return SealingKey(Secret(seed))


def _hex(file: Path, option: str) -> bytes:
    try:
        return bytes.fromhex(file.read_text("ascii").strip())
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint=option) from None
    except ValueError:
        raise typer.BadParameter("not a key file of careledger backup key", param_hint=option) from None


def restored(
    backup: Path,
    number: int,
    key: SealingKey,
    target: Path,
    shred_keys: Path | None,
    custodian: str,
    progress: Callable[[int, int], None],
) -> tuple[BackupManifest, str]:
    """Restores the whole directory, or one custodian by its name."""
    from careledger.app.backup.restore import restore, restore_custodian

    if not custodian:
        return restore(backup, number, key, target, shred_keys, progress)
    return restore_custodian(backup, number, key, target, _number(existing(target), custodian), progress)


def _number(folder: Path, named: str) -> int:
    """An organisation of this directory by its name or the beginning of it."""
    from careledger.app.keyring import Keyring
    from careledger.app.vault import open_guard

    keyring = Keyring(folder, open_guard(folder, ask))
    try:
        numbers = {label: each.number for label, each in keyring.organisations().items()}
    finally:
        keyring.close()
    fitting = [named] if named in numbers else [each for each in numbers if each.startswith(named)]
    if len(fitting) != 1:
        raise typer.BadParameter(
            "not the name of one organisation of this directory", param_hint="--custodian"
        )
    return numbers[fitting[0]]


def size(said: BackupManifest) -> int:
    """How many bytes a copy's files hold."""
    return sum(file.size for file in said.files)


def facts(said: BackupManifest, digest: str) -> Facts:
    """A copy for programs."""
    return {
        "copy": said.number,
        "made": said.made,
        "files": len(said.files),
        "bytes": size(said),
        "head_number": said.head_number,
        "head_hash": said.head_hash.hex(),
        "digest": digest,
    }


def stands(said: BackupManifest, digest: str) -> list[str]:
    """When it was made, where the ledger stood, and the digest by which it is known again."""
    when = datetime.fromtimestamp(said.made, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    head = (
        f"; the ledger stood at block {said.head_number:,}, {said.head_hash.hex()}" if said.head_hash else ""
    )
    return [f"Made {when}{head}.", f"Digest {digest}."]


def following(target: Path, shred_keys: Path | None, custodian: str) -> list[str]:
    """What a person does after restoring."""
    if custodian:
        return [
            f"Next: careledger custodian repair PATIENT {custodian!r} --data {target}, for each patient it keeps."
        ]
    if shred_keys is None:
        return ["No custodian can open a share of it: what can be read are authors' copies."]
    return [
        f"Next: careledger backup second-place {shred_keys} --data {target}, so that both places stay alike."
    ]
