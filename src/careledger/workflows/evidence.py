"""What custodians released, verified: rows against the ledger, shares against their commitments.

A row counts only if its leaf stands under an anchored root. A share that does not match its commitment is kept as
evidence beside the answer that its custodian signed, and the next custodian's share is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from careledger.domain.errors import (
    CareLedgerError,
    MalformedBytes,
    NotEnoughShares,
    ProofRefused,
    ShareMismatch,
)
from careledger.domain.facts import AnchorFacts
from careledger.formats.custody import ShareEvidence
from careledger.formats.deposits import DepositItem, DepositStatement
from careledger.formats.releases import Answer, DepositProof, ReleasedRow
from careledger.formats.signed import Signed
from careledger.ports import LedgerView
from careledger.proofs.anchors import Inclusion, LeafOpening, check_share
from careledger.sealing.keys import Secret
from careledger.sealing.shamir import Share, combine


@dataclass(repr=False)
class Found:
    """One version as custodians together released it; never printed."""

    row: ReleasedRow
    leaf: bytes
    anchor: AnchorFacts
    proof: DepositProof
    statement: DepositStatement
    item: DepositItem
    shares: dict[int, Share] = field(default_factory=dict)
    escrow: dict[int, Share] = field(default_factory=dict)
    states: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)

    def custodial_secret(self, threshold: int) -> Secret:
        """c; raises NotEnoughShares, ShareMismatch."""
        return combine(list(self.shares.values())[:threshold], threshold)

    def batch_secret(self, threshold: int) -> Secret:
        """b from escrow; raises NotEnoughShares, ShareMismatch."""
        if len(self.escrow) < threshold:
            raise NotEnoughShares(needed=threshold, found=len(self.escrow))
        return combine(self.escrow.values(), threshold)


@dataclass
class Gathered:
    """Everything that verified, by handle, and what did not."""

    found: dict[bytes, Found] = field(default_factory=dict)
    evidence: list[ShareEvidence] = field(default_factory=list)
    unverified: list[tuple[int, CareLedgerError]] = field(default_factory=list)
    waiting: int = 0


def gather(view: LedgerView, places: int, answers: Iterable[tuple[Answer, Signed]]) -> Gathered:
    """Unites the rows of all answers; ``places`` is N, the length of the patient's list.

    Rows that are not anchored yet are counted as waiting, once per handle.
    """
    gathered, waiting = Gathered(), set()
    for answer, signed in answers:
        proofs = {_statement_digest(proof): proof for proof in answer.deposits}
        for row in answer.rows:
            if row.root is None:
                waiting.add(row.handle)
                continue
            try:
                found = _verified(gathered, view, proofs, row)
                _add_share(found, places, row)
            except ShareMismatch:
                gathered.evidence.append(ShareEvidence(signed, row.handle, view.head.time))
            except CareLedgerError as error:
                gathered.unverified.append((answer.custodian, error))
    gathered.waiting = len(waiting - set(gathered.found))
    return gathered


def _verified(
    gathered: Gathered, view: LedgerView, proofs: dict[bytes, DepositProof], row: ReleasedRow
) -> Found:
    """The version that a row is about, its leaf anchored and its deposit statement naming it.

    Raises MalformedBytes, ProofRefused.
    """
    leaf = LeafOpening(row.handle, row.header, row.manifest, row.body, row.commitments).leaf
    known = gathered.found.get(row.handle)
    if known is not None and known.leaf == leaf:
        known.states.add(row.state)
        known.marks.add(row.mark)
        return known
    anchor = view.anchor(row.root) if row.root is not None else None
    if anchor is None or anchor.count != row.size or row.root is None:
        raise ProofRefused(why="a root that is not anchored")
    Inclusion(row.root, row.size, row.index, row.anchor_path).check(leaf)
    proof = proofs.get(row.deposit)
    if proof is None:
        raise MalformedBytes(why="a row without its deposit statement")
    statement = DepositStatement.decode(proof.statement.body)
    item = next((each for each in statement.items if each.handle == row.handle), None)
    if item is None or item.leaf != leaf or statement.compartment != row.compartment:
        raise ProofRefused(why="a row that its deposit statement does not name")
    found = Found(row, leaf, anchor, proof, statement, item, states={row.state}, marks={row.mark})
    gathered.found.setdefault(row.handle, found)
    return gathered.found[row.handle]


def _add_share(found: Found, places: int, row: ReleasedRow) -> None:
    """Takes a row's share and escrow share; raises ShareMismatch for one that was not committed to."""
    if row.escrow is not None:
        found.escrow[row.escrow_place] = Share(row.escrow_place, Secret(row.escrow))
    if row.share is None:
        return
    check_share(found.row.commitments, places, row.place, row.share, row.path)
    found.shares[row.place] = Share(row.place, Secret(row.share))


def _statement_digest(proof: DepositProof) -> bytes:
    return DepositStatement.decode(proof.statement.body).digest()
