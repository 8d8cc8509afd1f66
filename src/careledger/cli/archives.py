"""Archives opened with the phrase, wherever their owner goes: what is in one, written in the clear, or imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from careledger.cli.export import STDOUT, Exported
from careledger.cli.opening import Mine
from careledger.cli.output import new_folder, print_pieces, write_private
from careledger.domain.records import Ground
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import Organisation
from careledger.workflows.archives import Opened, import_archive, open_archive
from careledger.workflows.batches import Writer
from careledger.workflows.export import bundle_of, documents_in

if TYPE_CHECKING:
    from careledger.app.world import World


@contextmanager
def opened_archive(path: Path, phrase: Phrase) -> Iterator[Opened]:
    """The archive in a file, every byte of it verified; raises CannotOpen, MalformedBytes, BlockMismatch."""
    with path.open("rb") as file:
        yield open_archive(phrase.keys(), file)


def write_fhir(archive: Opened, path: Path) -> Exported:
    """The newest version of each record as a collection Bundle."""
    current = archive.newest()
    bundle = bundle_of(current, archive.content)
    if str(path) == STDOUT:
        print_pieces(bundle)
    else:
        write_private(path, chain(bundle, (b"\n",)), "--fhir")
    return Exported(len(current))


def write_documents(archive: Opened, folder: Path) -> Exported:
    """Each document of the newest version of each record; raises BadParameter for a folder that is not empty."""
    new_folder(folder, "--documents")
    count = 0
    for name, data in documents_in(archive.newest(), archive.content):
        write_private(folder / name, data, "--documents")
        count += 1
    return Exported(count)


def bring(world: World, mine: Mine, relay: Organisation, archive: Opened) -> Exported:
    """Every version into the patient's own record; what is there already is found again."""
    import_archive(world.network, Writer(relay, Ground.OWN, None, mine.holder), mine.statement, archive)
    return Exported(len(archive.versions))
