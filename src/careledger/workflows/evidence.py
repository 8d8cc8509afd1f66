"""What custodians released, verified: rows against the ledger, shares against their commitments.

A row counts only if its leaf stands under an anchored root. A share that does not match its commitment is kept as
evidence beside the answer that its custodian signed, and the next custodian's share is used. What one custodian
says counts for that custodian's share alone: it neither spoils nor replaces what the others say of a version.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from careledger.domain.errors import (
    CareLedgerError,
    MalformedBytes,
    ProofRefused,
    ShareMismatch,
)
from careledger.domain.facts import AnchorFacts
from careledger.formats.cids import check_cid
from careledger.formats.custody import ShareEvidence
from careledger.formats.deposits import DepositItem, DepositStatement
from careledger.formats.patients import Order
from careledger.formats.releases import Acceptance, AcceptanceProof, Answer, DepositProof, ReleasedRow
from careledger.formats.signed import Signed
from careledger.ports import LedgerView
from careledger.proofs.anchors import Inclusion, check_share
from careledger.proofs.items import check_item, leaf_of
from careledger.sealing.keys import Secret
from careledger.sealing.shamir import Share, combine

STATES = ("kept", "restricted", "retracted")


@dataclass(repr=False)
class Found:
    """One version as custodians together released it; never printed.

    ``proofs`` are all forms in which its deposit statement came: a dishonest custodian may leave signatures out.
    ``acceptances`` are shown for it; ``apart`` has True where a custodian calls it unasked and accepted by nobody.
    """

    row: ReleasedRow
    leaf: bytes
    anchor: AnchorFacts
    proofs: list[DepositProof]
    statement: DepositStatement
    item: DepositItem
    shares: dict[int, Share] = field(default_factory=dict)
    escrow: dict[int, Share] = field(default_factory=dict)
    acceptances: list[AcceptanceProof] = field(default_factory=list)
    apart: set[bool] = field(default_factory=set)
    states: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)

    def custodial_secret(self, threshold: int) -> Secret:
        """c; raises NotEnoughShares, ShareMismatch."""
        return combine(list(self.shares.values())[:threshold], threshold)


@dataclass
class Gathered:
    """Everything that verified, by leaf, and what did not.

    ``stated`` are items with their paths that were seen to stand in a deposit statement, with their leaves: most
    custodians say the same, which is not checked again.
    """

    found: dict[bytes, Found] = field(default_factory=dict)
    stated: dict[tuple[bytes, int, DepositItem, tuple[bytes, ...]], bytes] = field(default_factory=dict)
    evidence: list[ShareEvidence] = field(default_factory=list)
    unverified: list[tuple[int, CareLedgerError]] = field(default_factory=list)
    waiting: int = 0


def gather(view: LedgerView, alias: bytes, places: int, answers: Iterable[tuple[Answer, Signed]]) -> Gathered:
    """Unites the rows of all answers about an alias; ``places`` is N, the length of the patient's list.

    Rows that are not anchored yet are counted as waiting, once per handle.
    """
    gathered, waiting = Gathered(), set()
    for answer, signed in answers:
        proofs, acceptances = _proofs(gathered, alias, answer), _acceptances(answer)
        for row in answer.rows:
            if row.root is None:
                waiting.add(row.handle)
                continue
            try:
                found = _verified(gathered, view, proofs, row)
                _add_acceptances(found, acceptances, row)
                _add_shares(found, places, row)
            except ShareMismatch:
                gathered.evidence.append(ShareEvidence(signed, row.handle, view.head.time))
            except CareLedgerError as error:
                gathered.unverified.append((answer.custodian, error))
    gathered.waiting = len(waiting - {found.row.handle for found in gathered.found.values()})
    return gathered


Proofs = dict[bytes, tuple[DepositProof, DepositStatement]]


def _proofs(gathered: Gathered, alias: bytes, answer: Answer) -> Proofs:
    """An answer's deposit statements about the alias by digest; others are unverified."""
    proofs: Proofs = {}
    for proof in answer.deposits:
        try:
            statement = DepositStatement.decode(proof.statement.body)
            if statement.alias != alias:
                raise MalformedBytes(why="another patient's deposit")
            proofs[statement.digest()] = (proof, statement)
        except CareLedgerError as error:
            gathered.unverified.append((answer.custodian, error))
    return proofs


def _acceptances(answer: Answer) -> dict[bytes, list[AcceptanceProof]]:
    """An answer's acceptances by the handles that they name, still to be decided on; unreadable ones are left out."""
    named: dict[bytes, list[AcceptanceProof]] = {}
    for proof in answer.acceptances:
        kind = Order if proof.session is None else Acceptance
        with suppress(MalformedBytes):
            for handle in kind.decode(proof.statement.body).handles:
                named.setdefault(handle, []).append(proof)
    return named


def _add_acceptances(found: Found, named: dict[bytes, list[AcceptanceProof]], row: ReleasedRow) -> None:
    found.apart.add(row.unasked)
    found.acceptances += [each for each in named.get(row.handle, ()) if each not in found.acceptances]


def _verified(gathered: Gathered, view: LedgerView, proofs: Proofs, row: ReleasedRow) -> Found:
    """The version that a row is about, its leaf anchored and its deposit statement naming it.

    Raises MalformedBytes, ProofRefused.
    """
    item = _item(row)
    if row.deposit not in proofs:
        raise MalformedBytes(why="a row without its deposit statement")
    if row.state not in STATES:
        raise MalformedBytes(why="a state in which nothing is released")
    proof, statement = proofs[row.deposit]
    if (row.compartment, row.epoch) != (statement.compartment, statement.epoch):
        raise ProofRefused(why="a row that its deposit statement does not name")
    place = (row.deposit, row.position, item, row.item_path)
    leaf = gathered.stated.get(place)
    if leaf is None:
        leaf = leaf_of(item)
        check_item(statement.items, statement.count, row.position, item, leaf, row.item_path)
        gathered.stated[place] = leaf
    found = gathered.found.get(leaf)
    if found is None:
        found = Found(row, leaf, _anchor(view, row, leaf), [], statement, item)
        gathered.found[leaf] = found
    if found.row.deposit != row.deposit:
        raise ProofRefused(why="a leaf that another deposit statement names too")
    if proof not in found.proofs:
        found.proofs.append(proof)
    found.states.add(row.state)
    found.marks.add(row.mark)
    return found


def _item(row: ReleasedRow) -> DepositItem:
    for cid in (row.header, row.manifest, row.body):
        check_cid(cid)
    return DepositItem(
        row.handle, row.header, row.manifest, row.body, row.commitments, row.predecessor, row.author, row.signed,
        row.clinical_month,
    )  # fmt: skip


def _anchor(view: LedgerView, row: ReleasedRow, leaf: bytes) -> AnchorFacts:
    """Where the leaf is anchored; raises ProofRefused."""
    anchor = view.anchor(row.root) if row.root is not None else None
    if anchor is None or anchor.count != row.size or row.root is None:
        raise ProofRefused(why="a root that is not anchored")
    Inclusion(row.root, row.size, row.index, row.anchor_path).check(leaf)
    return anchor


def _add_shares(found: Found, places: int, row: ReleasedRow) -> None:
    """Takes a row's share and escrow share; raises ShareMismatch for one that was not committed to."""
    committed = found.statement.escrow
    wrong: ShareMismatch | None = None
    if row.escrow is not None and row.escrow_path and committed is not None:
        try:
            check_share(committed, places, row.escrow_place, row.escrow, row.escrow_path)
            found.escrow[row.escrow_place] = Share(row.escrow_place, Secret(row.escrow))
        except ShareMismatch as error:
            wrong = error
    if row.share is not None:
        check_share(found.row.commitments, places, row.place, row.share, row.path)
        found.shares[row.place] = Share(row.place, Secret(row.share))
    if wrong is not None:
        raise wrong
