"""Deposit versions: seal, store, give to custodians, anchor.

Order of effects: blocks durable, shares durable at n custodians (or at least t: thin), the plan durable in the
depositor's books, then the anchor: the commit point. A ciphertext without an anchor is garbage; an anchor without
its ciphertext would be loss. After it: the custodians' notices; then at once author's copies, what is to be told and
what is owed, in place of the plan. A crash after the plan is finished by ``resume``, which every deposit of that
organisation runs first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from careledger.domain.errors import CareLedgerError, NotEnoughCustodians
from careledger.formats.charts import AuthorsCopies, DepositPlan, MissingKeep
from careledger.formats.cids import SIZE as CID
from careledger.formats.cids import chunk_cid
from careledger.formats.custody import Receipt
from careledger.formats.deposits import AnchorNotice, AnchorNotices, KeepRequest, sliced
from careledger.formats.patients import AliasStatement
from careledger.proofs.anchors import AnchorBatch
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.batches import SealedBatch, Sealer, Tagged, Writer
from careledger.workflows.custody import Chain, Telling, outcomes, receipt
from careledger.workflows.deposited import COPIES, UNDONE, Before, Copied, deposited_before
from careledger.workflows.due import DUE, Subject, due
from careledger.workflows.epochs import chains_in_force
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.retract import owe_planned

PLAN = "deposit-plan"
MISSING = "missing-keep"
SHARED = "shared"
MOST_IN_BATCH = 512
MOST_TOLD = 256
"""Batches of several deposits of which a custodian is told in one message that they are anchored."""
Progress = Callable[[int], None]
Begin = Callable[[bytes, Sequence[NewVersion]], None]


@dataclass(frozen=True)
class Deposited:
    """What was deposited: handles by record id, the anchored root, receipts; ``thin`` where fewer than n hold it.

    ``known`` are handles of versions that the depositor had deposited before, by record id.
    """

    root: bytes
    handles: dict[bytes, bytes]
    known: dict[bytes, bytes]
    receipts: tuple[Receipt, ...]
    thin: bool


def deposit(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    versions: Sequence[NewVersion],
    progress: Progress = lambda count: None,
    chains: Mapping[int, Chain] | None = None,
    begin: Begin | None = None,
) -> Deposited:
    """Deposits versions of one alias under one anchored root; ``chains`` are epochs that were just seen in force.

    What the depositor has deposited before (same content tag, same alias) is not deposited again, unless that deposit
    was undone. ``begin`` is told the deposit's id and versions before anything leaves. Raises WritingRefused by a
    custodian's decision, NotEnoughCustodians under t, LedgerRefused; FileRefused and ScannerUnavailable before anything
    leaves, where files are scanned.
    """
    resume(network, writer)
    made = prepare(network, writer, statement, versions, progress, chains, begin)
    if not made.batches:
        return Deposited(bytes(32), {}, made.known, (), False)
    [(key, plan)] = plans(network, [made])
    writer.books.put(PLAN, [(key, plan.encode())])
    finish(network, writer, {key: plan})
    return made.deposited(network, plan.root)


@dataclass(frozen=True, repr=False)
class Prepared:
    """Versions that are stored and held by custodians, and that no root covers: garbage as long as none does.

    ``fresh`` are those that were not deposited before, as they are now; ``known`` the others' handles by record id.
    """

    writer: Writer
    statement: AliasStatement
    sealer: Sealer
    batches: tuple[SealedBatch, ...]
    kept: _Kept
    fresh: tuple[Tagged, ...]
    known: dict[bytes, bytes]

    def deposited(self, network: Network, root: bytes) -> Deposited:
        """What became of them under that root."""
        return Deposited(
            root,
            {copy.record_id: copy.handle for batch in self.batches for copy in batch.copies},
            self.known,
            tuple(self.kept.receipts),
            len(self.kept.receipts) < network.thresholds.holding,
        )


def prepare(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    versions: Sequence[NewVersion],
    progress: Progress = lambda count: None,
    chains: Mapping[int, Chain] | None = None,
    begin: Begin | None = None,
) -> Prepared:
    """All of ``deposit`` that comes before its plan; no batches where nothing is new. Raises likewise."""
    before, sealer = deposited_before(writer.books, statement.alias), Sealer(network, writer, statement)
    fresh, known = unknown(writer, before, versions)
    if not fresh:
        return Prepared(writer, statement, sealer, (), _Kept([], []), (), known)
    if network.scanning is not None:
        network.scanning.check(each.version for each in fresh)
    if begin is not None:
        begin(sealer.id, [each.version for each in fresh])
    groups = _grouped(fresh)
    numbers = [group[0].version.compartment.number for group in groups]
    seen = {each: chain for each, chain in (chains or {}).items() if chain}
    seen |= chains_in_force(network, statement, sorted({*numbers} - seen.keys()))
    batches = [
        sealer.batch(seen.get(number, ()), group) for number, group in zip(numbers, groups, strict=True)
    ]
    if chunks := [chunk for batch in batches for chunk in batch.chunks]:
        network.blocks.put_many(chunks, named=chunk_cid)
    network.blocks.put_many([block for batch in batches for block in batch.blocks])
    kept = _keep(network, statement, sealer, batches, progress)
    light = tuple(replace(each, blocks=(), chunks=()) for each in batches)
    return Prepared(writer, statement, sealer, light, kept, tuple(fresh), known)


def plans(network: Network, prepared: Sequence[Prepared]) -> list[tuple[bytes, DepositPlan]]:
    """What is left to do of these, each under its key in the books: one root covers all their leaves."""
    leaves = [leaf for each in prepared for batch in each.batches for leaf in batch.leaves]
    anchors, made, first = AnchorBatch(leaves), list[tuple[bytes, DepositPlan]](), 0
    times: dict[bytes, int] = {}
    for at, each in enumerate(prepared):
        alias = each.statement.alias
        last = times.get(alias, deposited_before(each.writer.books, alias).made)
        times[alias] = max(network.clock.now(), last + 1)  # so that they have an order
        plan = _plan(network, each, anchors, first, times[alias])
        first += sum(len(batch.leaves) for batch in each.batches)
        made.append((plan.root + (at.to_bytes(4, "big") if at else b""), plan))
    return made


def resume(network: Network, writer: Writer) -> int:
    """Finishes deposits that a crash left between the plan and its end; returns how many."""
    plans = {key: DepositPlan.decode(row) for key, row in writer.books.rows(PLAN)}
    together = defaultdict[bytes, dict[bytes, DepositPlan]](dict)
    for key, plan in plans.items():
        together[plan.root][key] = plan
    for some in together.values():
        finish(network, writer, some)
    owe_planned(writer.books)
    return len(plans)


def finish(network: Network, writer: Writer, made: Mapping[bytes, DepositPlan]) -> None:
    """Anchors plans of one root, by their keys, and does what follows; every step may be repeated."""
    organisation, books, plans = writer.organisation, writer.books, list(made.values())
    network.blocks.pin(SHARED, [cid for plan in plans for cid in sliced(plan.blocks, CID)])
    if writer.depositor:
        bodies = [cid for plan in plans for cid in sliced(plan.copies.bodies, CID)]
        network.blocks.pin(f"chart-{organisation.number}", bodies)
    root, size = plans[0].root, plans[0].size
    if network.ledger.fresh_head().anchor(root) is None:
        network.ledger.anchor(root, size, organisation.number, organisation.controller)
    _notify(network, plans)
    done = {
        COPIES: [(plan.copies.row_key, plan.copies.encode()) for plan in plans],
        DUE: due(Subject.DEPOSIT, *(plan.copies.row_key for plan in plans)) if writer.depositor else [],
        MISSING: [(missing.key, missing.encode()) for plan in plans for missing in plan.missing],
    }
    books.change(done, {PLAN: list(made)})


def complete(network: Network, depositor: Organisation | Holder) -> int:
    """Gives thin deposits to the custodians that were missing; returns how many are still missing."""
    waiting = 0
    for key, row in list(depositor.books.rows(MISSING)):
        missing = MissingKeep.decode(row)
        link = network.custodians.get(missing.custodian)
        try:
            if link is None:
                raise NotEnoughCustodians(custodian=missing.custodian)
            view = network.ledger.fresh_head()
            receipt(network, view, link, "keep", missing.request)
        except CareLedgerError:  # one that refuses owes no less than one that cannot be reached
            waiting += 1
            continue
        depositor.books.drop(MISSING, [key])
    return waiting


def _grouped(tagged: Iterable[Tagged]) -> list[list[Tagged]]:
    """One batch per compartment and source, of at most so many that a proof out of it stays cheap."""
    groups: dict[tuple[int, str], list[Tagged]] = defaultdict(list)
    for each in tagged:
        groups[each.version.compartment.number, each.version.source].append(each)
    return [
        group[at : at + MOST_IN_BATCH]
        for group in groups.values()
        for at in range(0, len(group), MOST_IN_BATCH)
    ]


def unknown(
    writer: Writer, own: Before, versions: Iterable[NewVersion]
) -> tuple[list[Tagged], dict[bytes, bytes]]:
    """The versions that are not among this depositor's own of that alias, each once, and the others' handles.

    A record that says something else than before at its source follows the version that was deposited last; one that
    was undone and comes again is what it was.
    """

    @cache
    def undone(deposit: bytes) -> bool:
        return writer.books.get(UNDONE, deposit) is not None

    fresh: dict[bytes, Tagged] = {}
    known = {}
    for version in versions:
        copies = own.of(version.record_id)
        if not copies:
            tag = writer.content_tag(version)
            fresh.setdefault(tag, Tagged(version, tag))
            continue
        stand = [copy for copy in copies if not undone(copy.deposit)]
        deposited = {copy.content_tag: copy.handle for copy in stand}
        numbered = _numbered(version, stand)
        tags = [writer.content_tag(each) for each in numbered]
        if any(copy.content_tag == tags[0] and undone(copy.deposit) for copy in copies):
            numbered, tags = numbered[:1], tags[:1]
        there = next((deposited[tag] for tag in tags if tag in deposited), None)
        if there is not None:
            known[version.record_id] = there
        else:
            fresh.setdefault(tags[-1], Tagged(numbered[-1], tags[-1]))
    return list(fresh.values()), known


def _numbered(version: NewVersion, before: Sequence[Copied]) -> list[NewVersion]:
    """A version as each of those before would have been numbered, at last as the one that follows them.

    One that names what it follows, or is of another compartment than the last, is what it is.
    """
    if version.predecessor is not None or not before or before[-1].compartment != version.compartment.number:
        return [version]
    again = [replace(version, version=number) for number in range(1, len(before) + 1)]
    follows = before[-1].handle
    return [*again, replace(version, version=len(before) + 1, predecessor=follows)]


@dataclass(frozen=True)
class _Kept:
    """What became of a deposit: receipts of those with shares, and the places whose custodians were not told."""

    receipts: list[Receipt]
    missing: list[int]


def _keep(
    network: Network,
    statement: AliasStatement,
    sealer: Sealer,
    batches: Sequence[SealedBatch],
    progress: Progress,
) -> _Kept:
    """Gives batches to their custodians: shares to the first n that take them, the index and escrow to the others.

    All are told at once; where one of the first n cannot be reached or refuses, the next one is given shares too.
    Once n have taken it no other's refusal counts (an epoch that n do not know is not in force). Raises the first
    refusal if fewer than n take it, NotEnoughCustodians if fewer than t can be reached.
    """
    holding, places = network.thresholds.holding, range(1, len(statement.custodians) + 1)
    told = _told(network, statement, [_request(sealer, batches, place, place <= holding) for place in places])
    made = [each for each in told[:holding] if isinstance(each, Receipt)]
    for place in places[holding:]:
        if len(made) < holding and isinstance(told[place - 1], Receipt):
            stand_in = _told(network, statement, [_request(sealer, batches, place, True)])
            made += [each for each in stand_in if isinstance(each, Receipt)]
    refusals = [each for each in told if isinstance(each, CareLedgerError)]
    if refusals and len(made) < holding:
        raise refusals[0]
    if len(made) < network.thresholds.opening:
        raise NotEnoughCustodians(found=len(made), needed=network.thresholds.opening)
    progress(sum(len(batch.copies) for batch in batches))
    return _Kept(made, [place for place in places if not isinstance(told[place - 1], Receipt)])


def _request(
    sealer: Sealer,
    batches: Sequence[SealedBatch],
    place: int,
    with_shares: bool,
    notices: Sequence[AnchorNotice | None] = (),
) -> KeepRequest:
    """What the custodian at that place is asked to keep."""
    anchors = notices or [None] * len(batches)
    parts = [batch.part(place, with_shares, at) for batch, at in zip(batches, anchors, strict=True)]
    return sealer.request(place, parts)


def _told(
    network: Network, statement: AliasStatement, requests: Sequence[KeepRequest]
) -> list[Receipt | CareLedgerError | None]:
    return outcomes(
        network,
        [Telling(statement.custodians[each.place - 1], "keep", each.encode()) for each in requests],
        durable=True,
    )


def _plan(network: Network, made: Prepared, anchors: AnchorBatch, first: int, at: int) -> DepositPlan:
    """What is left to do: the root, the notices that tell custodians where each batch stands, and what some lack.
    ``first`` is the place of the first leaf."""
    notices, statement, sealer, batches = [], made.statement, made.sealer, made.batches
    for batch in batches:
        outside = anchors.outside(first, len(batch.leaves))
        notices.append(AnchorNotice(batch.id, anchors.root, anchors.size, first, outside))
        first += len(batch.leaves)
    holding = network.thresholds.holding
    missing = [
        MissingKeep(
            sealer.id,
            statement.custodians[place - 1],
            _request(sealer, batches, place, place <= holding, notices).encode(),
        )
        for place in made.kept.missing
    ]
    copies = [copy for batch in batches for copy in batch.copies]
    return DepositPlan(
        anchors.root,
        anchors.size,
        statement.custodians,
        AnchorNotices(tuple(notices)),
        AuthorsCopies.of(sealer.id, statement.alias, at, sealer.sealed_copy_key, copies),
        tuple(missing),
        b"".join(cid for batch in batches for cid in batch.cids),
    )


def _notify(network: Network, plans: Sequence[DepositPlan]) -> None:
    """Tells custodians under which root the leaves of these stand, of many at once."""
    some, count = list[DepositPlan](), 0
    for plan in plans:
        count += len(plan.notices.notices)
        if some and count > MOST_TOLD:
            _tell_anchored(network, some)
            some, count = [], len(plan.notices.notices)
        some.append(plan)
    _tell_anchored(network, some)


def _tell_anchored(network: Network, plans: Sequence[DepositPlan]) -> None:
    """The deposits stand: whoever refuses one stops nobody, and is told of the others by themselves."""
    kept = defaultdict[int, list[AnchorNotice]](list)
    for plan in plans:
        lacking = {missing.custodian for missing in plan.missing}
        for number in plan.custodians:
            if number not in lacking:
                kept[number] += plan.notices.notices
    tellings = [
        Telling(number, "anchored", AnchorNotices(tuple(each)).encode()) for number, each in kept.items()
    ]
    told = outcomes(network, tellings, durable=True)
    if len(plans) > 1 and any(isinstance(each, CareLedgerError) for each in told):
        for plan in plans:
            _tell_anchored(network, [plan])
