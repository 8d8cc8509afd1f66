"""Deposits of several patients, and what is taken back with them: all of it or nothing.

Order of effects: of each portion blocks and shares, durable, as of ``deposit``; then the plans of all portions and what
is to be taken back, durable in one step: from then on it is done, whoever dies. Then the anchor, one root over
everything: the commit point for everybody else; what follows each deposit; then the retractions are owed, and told. A
crash before the plans leaves garbage, one after them is finished by ``deposit.resume``. Everything behind the plans is
one step, so that nobody in this process meets a part of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from careledger.domain.errors import VersionConflict
from careledger.domain.facts import AliasFacts, ConsentFacts, PartyFacts
from careledger.formats.patients import AliasStatement, Certificate
from careledger.formats.signed import Signed
from careledger.ports import LedgerView
from careledger.workflows.batches import Writer
from careledger.workflows.custody import Chain
from careledger.workflows.deposit import PLAN, Prepared, finish, plans, prepare, resume, unknown
from careledger.workflows.deposited import Copied, deposited_before, undone_at
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.retract import PLANNED, is_retracted, owed, planned, tell_owed

Holds = Callable[[], bool]


@dataclass(frozen=True, repr=False)
class _Back:
    writer: Writer
    statement: AliasStatement
    handles: tuple[bytes, ...]


class _Leave(NamedTuple):
    """What the ledger says of who writes of whom, by which readers decide at the anchor whether it might be written."""

    alias: AliasFacts | None
    post: PartyFacts | None
    employer: PartyFacts | None
    teams: tuple[int, ...]
    consent: ConsentFacts | None
    matrix: int


def _leave(view: LedgerView, alias: bytes, post: int, certificate: Signed | None) -> _Leave:
    party, named = view.party(post), None if certificate is None else Certificate.decode(certificate.body)
    return _Leave(
        view.alias(alias),
        party,
        view.party(party.employer) if party is not None else None,
        view.memberships(post) if named is not None else (),
        None if named is None else view.consent(named.owner, named.commitment),
        view.matrix_version(),
    )


class Together:
    """What one organisation does at once; ``add`` as often as is wanted, ``take_back`` too, then ``commit``, once."""

    def __init__(self, network: Network, writer: Writer) -> None:
        """``writer`` is any of that organisation's; what a crash left of its deposits is finished first."""
        self._network, self._books = network, writer.books
        resume(network, writer)
        self._prepared: list[tuple[Prepared, tuple[NewVersion, ...], int]] = []
        self._back: list[_Back] = []
        self._expected = defaultdict[bytes, list[tuple[bytes, list[bytes]]]](list)
        self._leave: dict[tuple[bytes, int, Signed | None], _Leave] = {}

    def expect(self, alias: bytes, record_id: bytes, seen: Set[bytes] | None = None) -> None:
        """That record is left alone until ``commit``. Raises VersionConflict if the last version of it that the
        organisation deposited, and that stands, is not among those that were ``seen``."""
        own = deposited_before(self._books, alias).of(record_id)
        standing = [each.handle for each in own if self._stands(each)]
        if seen is not None and standing and standing[-1] not in seen:
            raise VersionConflict()
        self._expected[alias].append((record_id, standing))

    def _stands(self, each: Copied) -> bool:
        return not is_retracted(self._books, each.handle) and undone_at(self._books, each.deposit) is None

    def add(
        self,
        writer: Writer,
        statement: AliasStatement,
        versions: Sequence[NewVersion],
        chains: Mapping[int, Chain] | None = None,
    ) -> Prepared:
        """Stores versions of one alias and gives them to custodians; they count once all is done. Raises as
        ``deposit`` does before it anchors."""
        count = deposited_before(self._books, statement.alias).count
        by = statement.alias, writer.post, writer.certificate
        self._leave.setdefault(by, _leave(self._network.ledger.fresh_head(), *by))
        made = prepare(self._network, writer, statement, versions, chains=chains)
        self._prepared.append((made, tuple(versions), count))
        return made

    def take_back(self, writer: Writer, statement: AliasStatement, handles: Sequence[bytes]) -> None:
        """Retracts these versions, which the organisation deposited, with everything else."""
        self._back.append(_Back(writer, statement, tuple(handles)))

    def commit(self, holds: Holds = lambda: True) -> bytes:
        """Does all of it; returns the root, zeros where nothing new was deposited. ``holds`` is asked once what was
        deposited stands: if it does not, because somebody else's version of a record was anchored first, all of it is
        taken back again and nothing else is. Raises VersionConflict then, and before anything counts where what was
        added was deposited meanwhile, or what is taken back was changed; LedgerRefused."""
        self._check()
        fresh = [made for made, *_ in self._prepared if made.batches]
        made = plans(self._network, fresh) if fresh else []
        back = [
            (each.writer, planned(self._network, each.writer, each.statement, each.handles))
            for each in self._back
        ]
        rows = [row for _, some in back for row in some]
        plan_rows = [(key, plan.encode()) for key, plan in made]
        if not made:
            if rows:
                self._books.change(owed(self._books, rows), {})
        else:
            self._books.change({PLAN: plan_rows, PLANNED: rows}, {})
            finish(self._network, fresh[0].writer, dict(made))
            if not holds():
                self._undo(fresh, rows)
                raise VersionConflict()
            if rows:
                self._books.change(owed(self._books, rows), {PLANNED: [key for key, _ in rows]})
        for writer, some in back:
            tell_owed(self._network, writer, some)
        return made[0][1].root if made else bytes(32)

    def _check(self) -> None:
        """Nothing was written, and nobody's leave was changed or ended meanwhile, that would make this another act."""
        view, now = self._network.ledger.fresh_head(), self._network.clock.now()
        for by, given in self._leave.items():
            leave = _leave(view, *by)
            if leave != given or (leave.consent is not None and leave.consent.end <= now):
                raise VersionConflict()
        for made, versions, count in self._prepared:
            before = deposited_before(self._books, made.statement.alias)
            if before.count == count:
                continue
            fresh, known = unknown(made.writer, before, versions)
            if [each.tag for each in fresh] != [each.tag for each in made.fresh] or known != made.known:
                raise VersionConflict()
        for alias, expected in self._expected.items():
            own = deposited_before(self._books, alias)
            for record_id, standing in expected:
                if [each.handle for each in own.of(record_id) if self._stands(each)] != standing:
                    raise VersionConflict()
        for each in self._back:
            if any(is_retracted(self._books, handle) for handle in each.handles):
                raise VersionConflict()

    def _undo(self, fresh: Sequence[Prepared], rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Takes back what was deposited; what was planned to be taken back is not."""
        back = [
            (made.writer, planned(self._network, made.writer, made.statement, _handles(made)))
            for made in fresh
        ]
        taken = [row for _, some in back for row in some]
        self._books.change(owed(self._books, taken), {PLANNED: [key for key, _ in rows]})
        for writer, some in back:
            tell_owed(self._network, writer, some)


def _handles(made: Prepared) -> tuple[bytes, ...]:
    return tuple(copy.handle for batch in made.batches for copy in batch.copies)
