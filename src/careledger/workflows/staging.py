"""Depositing what a source says of one patient (workflows.staged), the same whatever it was written in.

A patient's versions are loaded and deposited in portions, so that memory is bounded by a portion or the largest one.
Order of effects of a portion: under which run it is deposited, durable; those of ``deposit``. Portions before a crash
stay, and repeating deposits the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from careledger.domain.errors import FileRefused
from careledger.formats.charts import ImportPart
from careledger.formats.patients import AliasStatement
from careledger.ports import Books
from careledger.workflows.batches import Writer
from careledger.workflows.custody import Chain
from careledger.workflows.deposit import Deposited, Prepared, Progress, deposit
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.staged import StagedVersion
from careledger.workflows.steps import Steps, whole
from careledger.workflows.together import Together

MOST_VERSIONS = 2_048
MOST_BYTES = 16 * 2**20
PARTS = "import-part"
NOTHING = Deposited(bytes(32), {}, {}, (), False)


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
        with _named(portion):
            return deposit(network, writer, statement, loaded, progress, seen, begin if run else None)

    contents: dict[bytes, bytes] = {}

    def begin(id: bytes, fresh: Sequence[NewVersion]) -> None:
        columns = zip(*((each.record_id, contents[each.record_id]) for each in fresh), strict=True)
        part = ImportPart(run, statement.alias, id, network.clock.now(), *map(b"".join, columns))
        writer.books.put(PARTS, [(part.row_key, part.encode())])

    made = NOTHING
    for portion in _portions(versions, most or MOST_VERSIONS):
        contents = {each.record_id: each.content for each in portion}
        made = joined(made, one(portion, chains))
        chains = None
        yield
    return made


def add_in_steps(
    together: Together,
    writer: Writer,
    statement: AliasStatement,
    versions: Iterable[StagedVersion],
    chains: Mapping[int, Chain],
    most: int,
) -> Steps[list[Prepared]]:
    """Adds versions of one alias to what is deposited together, a step for each portion; raises as ``Together.add``."""
    made, seen = list[Prepared](), dict(chains)
    for portion in _portions(versions, most):
        loaded = [each.load() for each in portion]
        with _named(portion):
            made.append(together.add(writer, statement, loaded, seen))
        seen = {}
        yield
    return made


@contextmanager
def _named(portion: Sequence[StagedVersion]) -> Iterator[None]:
    """A file that is refused is named by its entry."""
    try:
        yield
    except FileRefused as error:
        entries = {each.record_id.hex(): each.index for each in portion}
        record = str(error.details.pop("record"))
        raise type(error)(entry=entries[record], **error.details) from None


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


def joined(one: Deposited, more: Deposited) -> Deposited:
    """What became of two portions of one alias."""
    return Deposited(
        more.root if more.handles else one.root,
        one.handles | more.handles,
        one.known | more.known,
        one.receipts + more.receipts,
        one.thin or more.thin,
    )
