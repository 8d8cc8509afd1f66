"""What a source says, sorted by patient and ready to be deposited, whatever it was written in.

A reader of a format makes a ``Staged`` of a file (from_fhir does of FHIR); what becomes of it is the same for all.
A patient's versions are loaded and deposited in portions, so that memory is bounded by a portion or the largest one.
Order of effects of a portion: under which run it is deposited, durable; those of ``deposit``. Portions before a crash
stay, and repeating deposits the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from careledger.domain.categories import Compartment
from careledger.formats.charts import ImportPart
from careledger.formats.patients import AliasStatement
from careledger.ports import Books
from careledger.workflows.batches import NewVersion, Writer
from careledger.workflows.custody import Chain
from careledger.workflows.deposit import Deposited, Progress, deposit
from careledger.workflows.network import Network
from careledger.workflows.register import Identity
from careledger.workflows.steps import Steps, whole

MOST_VERSIONS = 2_048
MOST_BYTES = 16 * 2**20
PARTS = "import-part"
NOTHING = Deposited(bytes(32), {}, {}, (), False)


@dataclass(frozen=True, repr=False)
class StagedVersion:
    """One version of a source; ``size`` is how many bytes ``load`` makes of it, ``index`` its place in the file.

    ``content`` (16 bytes) says what it says whatever it is called, so that the same under another name is noticed.
    """

    index: int
    record_id: bytes
    content: bytes
    compartment: Compartment
    size: int
    load: Callable[[], NewVersion]


@dataclass(frozen=True, repr=False)
class StagedPatient:
    """What a file says of one patient; ``key`` is what the source calls them, empty if it does not say whom.

    ``identity`` is who the source says that they are; None where it only refers to them.
    """

    key: str
    identity: Identity | None
    versions: tuple[StagedVersion, ...]


@dataclass(frozen=True)
class Refusal:
    """One entry of a file that is not imported, with the place and the reason; never anything that it says."""

    index: int
    path: str
    why: str


@dataclass(frozen=True, repr=False)
class Stated:
    """What a file that names no patient of its own says of one all the same: where, what (``name``, ``birth``, ``id``),
    and the value. It is compared with whom the desk named and never printed."""

    where: str
    what: str
    value: str


@dataclass(frozen=True, repr=False)
class Staged:
    """What a file holds: patients in the file's order, what of it cannot be imported, what is said beside."""

    name: str
    patients: tuple[StagedPatient, ...]
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    unmapped: int
    stated: tuple[Stated, ...] = ()
    parts: tuple[tuple[str, int], ...] = ()

    def named(self, index: int) -> str:
        """What to call an entry; by its file too where several were read as one (``parts``: name and first entry)."""
        found = [(name, first) for name, first in self.parts if first <= index]
        return f"{found[-1][0]}, entry {index - found[-1][1]}" if found else f"entry {index}"

    @property
    def versions(self) -> int:
        """How many versions it has."""
        return sum(len(patient.versions) for patient in self.patients)


def deposit_staged(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    versions: Iterable[StagedVersion],
    progress: Progress = lambda count: None,
    chains: Mapping[int, Chain] | None = None,
    run: bytes = b"",
) -> Deposited:
    """Deposits versions of one alias, each portion under a root of its own; the root told is the last one's.

    ``run`` (16 bytes) is the import that this is part of, so that it can be undone: each portion is noted under it in
    the depositor's books before it leaves. ``chains`` are epochs that were just seen in force, for the first portion;
    later ones ask again. Repeating deposits nothing twice. Raises what ``deposit`` raises; portions before it stay.
    """
    return whole(deposit_in_steps(network, writer, statement, versions, progress, chains, run))


def deposit_in_steps(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    versions: Iterable[StagedVersion],
    progress: Progress = lambda count: None,
    chains: Mapping[int, Chain] | None = None,
    run: bytes = b"",
    most: int = 0,
) -> Steps[Deposited]:
    """The same, a step for each portion of at most so many versions (0: as many as make a portion here)."""

    def one(portion: Sequence[StagedVersion], seen: Mapping[int, Chain] | None) -> Deposited:
        loaded = [each.load() for each in portion]
        return deposit(network, writer, statement, loaded, progress, seen, begin if run else None)

    contents: dict[bytes, bytes] = {}

    def begin(id: bytes, fresh: Sequence[NewVersion]) -> None:
        columns = zip(*((each.record_id, contents[each.record_id]) for each in fresh), strict=True)
        part = ImportPart(run, statement.alias, id, network.clock.now(), *map(b"".join, columns))
        writer.books.put(PARTS, [(part.row_key, part.encode())])

    made = NOTHING
    for portion in _portions(versions, most or MOST_VERSIONS):
        contents = {each.record_id: each.content for each in portion}
        made = _joined(made, one(portion, chains))
        chains = None
        yield
    return made


def parts_of(books: Books, alias: bytes = b"") -> list[ImportPart]:
    """What imports deposited, of one alias or of all; undone ones too."""
    return [ImportPart.decode(row) for _, row in books.rows(PARTS, alias)]


def _portions(versions: Iterable[StagedVersion], most: int) -> Iterator[Sequence[StagedVersion]]:
    portion: list[StagedVersion] = []
    size = 0
    for version in versions:
        if portion and (len(portion) == most or size + version.size > MOST_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(version)
        size += version.size
    if portion:
        yield portion


def _joined(one: Deposited, more: Deposited) -> Deposited:
    return Deposited(
        more.root if more.handles else one.root,
        one.handles | more.handles,
        one.known | more.known,
        one.receipts + more.receipts,
        one.thin or more.thin,
    )
