"""Deposit versions: seal, store, give to custodians, anchor.

Order of effects: blocks durable, shares durable at n custodians (or at least t: thin), the plan durable in the
depositor's books, then the anchor: the commit point. A ciphertext without an anchor is garbage; an anchor without
its ciphertext would be loss. After it: author's copies, the custodians' notices, and the plan is dropped. A crash
after the plan is finished by ``resume``, which every deposit of that organisation runs first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from careledger.domain.errors import CareLedgerError, NotEnoughCustodians
from careledger.formats.custody import Receipt
from careledger.formats.deposits import (
    AnchorNotice,
    AnchorPlace,
    AuthorsCopy,
    DepositPlan,
    KeepRequest,
    MissingKeep,
)
from careledger.formats.patients import AliasStatement
from careledger.proofs.anchors import AnchorBatch
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.batches import NewVersion, SealedBatch, Writer, seal_batch
from careledger.workflows.custody import Telling, epoch_chain, outcomes, receipt
from careledger.workflows.network import Network

PLAN = "deposit-plan"
COPY = "authors-copy"
BY_TAG = "copy-by-tag"
MISSING = "missing-keep"
SHARED = "shared"
Progress = Callable[[int], None]


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
) -> Deposited:
    """Deposits versions of one alias under one anchored root.

    What the depositor has deposited before (same content tag, same alias) is not deposited again. Raises
    WritingRefused by a custodian's decision, NotEnoughCustodians under t, LedgerRefused.
    """
    resume(network, writer)
    fresh, known = _unknown(writer, statement.alias, versions)
    if not fresh:
        return Deposited(bytes(32), {}, known, (), False)
    batches = [
        _sealed(network, writer, statement, compartment, group)
        for compartment, group in _grouped(fresh).items()
    ]
    network.blocks.put_many([block for batch in batches for block in batch.blocks])
    kept = [_keep(network, statement, batch, progress) for batch in batches]
    plan = _plan(batches, [each.missing for each in kept])
    writer.books.put(PLAN, [(plan.root, plan.encode())])
    finish(network, writer, plan)
    return Deposited(
        plan.root,
        {item.record_id: item.handle for batch in batches for item in batch.copies},
        known,
        tuple(made for each in kept for made in each.receipts),
        any(len(each.receipts) < network.thresholds.holding for each in kept),
    )


def resume(network: Network, writer: Writer) -> int:
    """Finishes deposits that a crash left between the plan and its end; returns how many."""
    plans = list(writer.books.rows(PLAN))
    for _, row in plans:
        finish(network, writer, DepositPlan.decode(row))
    return len(plans)


def finish(network: Network, writer: Writer, plan: DepositPlan) -> None:
    """Anchors a plan and does what follows; every step may be repeated."""
    organisation, books = writer.organisation, writer.books
    network.blocks.pin(SHARED, plan.blocks)
    if writer.depositor:
        network.blocks.pin(f"chart-{organisation.number}", [copy.body for copy in plan.copies])
    if network.ledger.fresh_head().anchor(plan.root) is None:
        network.ledger.anchor(plan.root, plan.size, organisation.number, organisation.controller)
    books.put(COPY, [(copy.handle, copy.encode()) for copy in plan.copies])
    books.put(BY_TAG, [(_tag_key(copy.alias, copy.content_tag), copy.handle) for copy in plan.copies])
    books.put(MISSING, [(missing.key, missing.encode()) for missing in plan.missing])
    told = {missing.custodian for missing in plan.missing}
    _notify(network, [number for number in plan.custodians if number not in told], plan.notices)
    books.drop(PLAN, [plan.root])


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


def _grouped(versions: Iterable[NewVersion]) -> dict[tuple[int, str], list[NewVersion]]:
    """One batch per compartment and source."""
    groups: dict[tuple[int, str], list[NewVersion]] = defaultdict(list)
    for version in versions:
        groups[version.compartment.number, version.source].append(version)
    return groups


def _tag_key(alias: bytes, tag: bytes) -> bytes:
    return alias + tag


def _unknown(
    writer: Writer, alias: bytes, versions: Iterable[NewVersion]
) -> tuple[list[NewVersion], dict[bytes, bytes]]:
    """The versions that this depositor has not deposited for this alias, each once, and the others' handles."""
    fresh: dict[bytes, NewVersion] = {}
    known = {}
    for version in versions:
        tag = _tag_key(alias, writer.content_tag(version))
        handle = writer.books.get(BY_TAG, tag)
        if handle is None:
            fresh.setdefault(tag, version)
        else:
            known[version.record_id] = handle
    return list(fresh.values()), known


def _sealed(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    group: tuple[int, str],
    versions: Sequence[NewVersion],
) -> SealedBatch:
    compartment, _ = group
    chain = epoch_chain(network, statement, compartment)
    return seal_batch(network, writer, statement, chain, versions)


@dataclass(frozen=True)
class _Kept:
    """What became of one batch: receipts of those with shares, and what could not be given."""

    receipts: list[Receipt]
    missing: list[tuple[int, KeepRequest]]


def _keep(network: Network, statement: AliasStatement, batch: SealedBatch, progress: Progress) -> _Kept:
    """Gives a batch to its custodians: shares to the first n that take them, the index and escrow to the others.

    All are told at once; where one of the first n cannot be reached or refuses, the next one is given shares too.
    Once n have taken it no other's refusal counts (an epoch that n do not know is not in force). Raises the first
    refusal if fewer than n take it, NotEnoughCustodians if fewer than t can be reached.
    """
    numbers, holding = statement.custodians, network.thresholds.holding
    requests = [batch.keep_request(place, place <= holding) for place in range(1, len(numbers) + 1)]
    told = _told(network, list(zip(numbers, requests, strict=True)))
    made = [each for each in told[:holding] if isinstance(each, Receipt)]
    for place in range(holding + 1, len(numbers) + 1):
        if len(made) < holding and isinstance(told[place - 1], Receipt):
            stand_in = [(numbers[place - 1], batch.keep_request(place, True))]
            made += [each for each in _told(network, stand_in) if isinstance(each, Receipt)]
    refusals = [each for each in told if isinstance(each, CareLedgerError)]
    if refusals and len(made) < holding:
        raise refusals[0]
    if len(made) < network.thresholds.opening:
        raise NotEnoughCustodians(found=len(made), needed=network.thresholds.opening)
    progress(len(batch.copies))
    lost = [place for place, outcome in enumerate(told) if not isinstance(outcome, Receipt)]
    return _Kept(made, [(numbers[place], requests[place]) for place in lost])


def _told(
    network: Network, requests: Sequence[tuple[int, KeepRequest]]
) -> list[Receipt | CareLedgerError | None]:
    return outcomes(network, [Telling(number, "keep", request.encode()) for number, request in requests])


def _plan(batches: Sequence[SealedBatch], missing: Sequence[list[tuple[int, KeepRequest]]]) -> DepositPlan:
    """One root over all leaves, with the notices that tell custodians where each leaf stands."""
    leaves = AnchorBatch([leaf for batch in batches for leaf in batch.leaves])
    notices, lacking, index = [], [], 0
    for batch, absent in zip(batches, missing, strict=True):
        places = []
        for handle in batch.handles:
            places.append(AnchorPlace(handle, index, leaves.inclusion(index).path))
            index += 1
        notice = AnchorNotice(batch.id, leaves.root, leaves.size, tuple(places))
        notices.append(notice)
        lacking += [
            MissingKeep(batch.id, number, replace(request, anchor=notice).encode())
            for number, request in absent
        ]
    copies: tuple[AuthorsCopy, ...] = tuple(copy for batch in batches for copy in batch.copies)
    return DepositPlan(
        leaves.root,
        leaves.size,
        batches[0].custodians,
        tuple(notices),
        copies,
        tuple(lacking),
        tuple(cid for batch in batches for cid in batch.cids),
    )


def _notify(network: Network, custodians: Iterable[int], notices: Iterable[AnchorNotice]) -> None:
    """Tells custodians under which root the leaves stand. The deposit stands: whoever refuses it stops nobody."""
    for notice in notices:
        outcomes(network, [Telling(number, "anchored", notice.encode()) for number in custodians])
