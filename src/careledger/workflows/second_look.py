"""The reader's own decision whether each version might be written, at its anchoring block.

Custodians decide before they keep a share; the reader decides again with all manifests in hand, and this answer wins.
Only a reader knows what kind of resource it is (who may sign it), every version of a record (whose it changes, what
is excepted) and the order of the anchors (whose intake was the first).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Consent, bound_alias
from careledger.domain.decisions import decide
from careledger.domain.errors import CareLedgerError, PatientNotFound, SignatureRefused
from careledger.domain.matrix import Matrix
from careledger.domain.parties import PartyId, Role
from careledger.domain.questions import Writing
from careledger.domain.reasons import Reason, Refused
from careledger.domain.records import Ground, Patient, Post, RecordVersion, Source
from careledger.fhir.export import resource_of
from careledger.fhir.mapping import signers, signers_by_category
from careledger.formats.bodies import RecordBody
from careledger.formats.deposits import DepositStatement, Manifest
from careledger.formats.patients import AliasStatement
from careledger.formats.releases import DepositProof
from careledger.formats.sessions import SessionStatement
from careledger.formats.signatures import Address, check_signer
from careledger.formats.signed import open_signed
from careledger.ports import LedgerView
from careledger.sealing.keys import Secret
from careledger.workflows.accepted import is_accepted
from careledger.workflows.batches import authored
from careledger.workflows.evidence import Found
from careledger.workflows.judging import consent_at, matrix_at, patient_at, post_at
from careledger.workflows.network import Network

FHIR_JSON = "application/fhir+json"
Place = tuple[int, int]


@dataclass(frozen=True, repr=False)
class Opened:
    """One version, opened but not judged; never printed."""

    found: Found
    manifest: Manifest
    body: RecordBody
    secret: Secret

    @property
    def handle(self) -> bytes:
        """The version's handle."""
        return self.found.row.handle

    @property
    def place(self) -> Place:
        """Where it stands in the order of anchors."""
        return self.found.anchor.block, self.found.row.index


@dataclass(frozen=True)
class _Deposit:
    """What the ledger said of a deposit at its anchoring block; ``refused`` says why its signature does not count."""

    view: LedgerView
    patient: Patient
    matrix: Matrix
    depositor: Post | None
    consent: Consent | None
    by_controller: bool
    controller: Address
    refused: str


class SecondLook:
    """Judges versions of one alias that were opened together."""

    def __init__(self, network: Network, statement: AliasStatement, opened: Sequence[Opened]) -> None:
        self._network = network
        self._registrar = statement.registrar
        self._by_handle = {each.handle: each for each in reversed(opened)}  # of two, the first anchored
        self._deposits: dict[bytes, _Deposit] = {}
        self._records: dict[bytes, frozenset[bytes]] = _records(opened)
        self._intakes = _first_intakes(opened)
        self._accepted: dict[bytes, bool] = {}

    def judge(self, opened: Opened) -> str:
        """Empty if the version might be written at its anchoring block, else the sentence that says why not."""
        try:
            deposit = self._deposit(opened)
            if deposit.refused:
                return deposit.refused
            _check_author(deposit, opened)
            decision = decide(self._question(deposit, opened))
        except CareLedgerError as error:
            return str(error)
        if isinstance(decision, Refused):
            return decision.explanation
        return Reason.KEPT_APART.sentence if decision.kept_apart and True not in opened.found.apart else ""

    def apart(self, opened: Opened) -> bool:
        """Whether it was deposited unasked and nobody who may has accepted it."""
        if opened.found.statement.ground != Ground.UNASKED.code:
            return False
        if opened.handle not in self._accepted:
            self._accepted[opened.handle] = self._is_accepted(opened)
        return not self._accepted[opened.handle]

    def _is_accepted(self, opened: Opened) -> bool:
        try:
            version = self._version(self._deposit(opened), opened)
        except CareLedgerError:
            return False
        return is_accepted(self._network, self._registrar, opened.found, version)

    def _deposit(self, opened: Opened) -> _Deposit:
        digest = opened.found.row.deposit
        if digest not in self._deposits:
            self._deposits[digest] = _deposit(self._network, self._registrar, opened.found)
        return self._deposits[digest]

    def _question(self, deposit: _Deposit, opened: Opened) -> Writing:
        words, item = opened.found.statement, opened.found.item
        author = post_at(deposit.view, item.author) if item.signed and item.author else None
        return Writing(
            version=replace(self._version(deposit, opened), accepted=not self.apart(opened)),
            patient=deposit.patient,
            matrix=deposit.matrix,
            at=opened.found.anchor.time,
            depositor=deposit.depositor,
            author=author,
            by_controller=deposit.by_controller,
            consent=deposit.consent,
            intake_used=not words.intake or self._intakes[_intake_of(words)] != opened.found.row.deposit,
            predecessor=self._predecessor(opened),
            bound_to=bound_alias(deposit.consent, item.author),
            may_sign=_may_sign(opened),
        )

    def _version(self, deposit: _Deposit, opened: Opened) -> RecordVersion:
        words, item = opened.found.statement, opened.found.item
        author = deposit.view.party(item.author) if item.signed and item.author else None
        employer = (author.employer or author.number) if author else 0
        return RecordVersion(
            alias=words.alias,
            handle=item.handle,
            compartment=Compartment.numbered(words.compartment),
            source=Source.of(words.source),
            ground=Ground.of(words.ground),
            depositor=PartyId(words.depositor) if words.depositor else None,
            author=PartyId(item.author) if item.author else None,
            author_employer=PartyId(employer) if employer else None,
            signed=item.signed,
            clinical_month=item.clinical_month,
            record=self._records[opened.manifest.record_id],
        )

    def _predecessor(self, opened: Opened) -> RecordVersion | None:
        """The version before, if it was released too; custodians, who know all, have decided with it."""
        before = self._by_handle.get(opened.manifest.predecessor or b"")
        if before is None:
            return None
        if before.manifest.record_id != opened.manifest.record_id or before.place > opened.place:
            raise SignatureRefused(why="a predecessor that is another record's, or later")
        return self._version(self._deposit(before), before)


# What is known of all versions together ----------------------------------------------------------


def _records(opened: Sequence[Opened]) -> dict[bytes, frozenset[bytes]]:
    """Record id → the handles of its versions."""
    handles: dict[bytes, set[bytes]] = defaultdict(set)
    for each in opened:
        handles[each.manifest.record_id].add(each.handle)
    return {record: frozenset(found) for record, found in handles.items()}


def _intake_of(words: DepositStatement) -> tuple[int, int, str]:
    return words.compartment, words.depositor, words.source


def _first_intakes(opened: Sequence[Opened]) -> dict[tuple[int, int, str], bytes]:
    """The deposit that was each depositor's first intake in a compartment."""
    first: dict[tuple[int, int, str], bytes] = {}
    for each in sorted(opened, key=lambda one: one.place):
        if each.found.statement.intake:
            first.setdefault(_intake_of(each.found.statement), each.found.row.deposit)
    return first


# What is known of one version --------------------------------------------------------------------


def _may_sign(opened: Opened) -> frozenset[Role] | None:
    """The roles that the mapping lets sign this resource; None where nobody signed."""
    if not opened.found.item.signed:
        return None
    category = Category(opened.manifest.category)
    if opened.manifest.mime_type != FHIR_JSON:
        return signers_by_category()[category]
    return signers(resource_of(opened.body), category)


def _deposit(network: Network, registrar: int, found: Found) -> _Deposit:
    view, words = network.ledger.at(found.anchor.block), found.statement
    alias = view.alias(words.alias)
    if alias is None:
        raise PatientNotFound()
    proof, refused = _signed_proof(network, view, alias.controller, found)
    certificate, deployment = proof.certificate, network.ledger.deployment
    return _Deposit(
        view=view,
        patient=patient_at(view, words.alias, registrar),
        matrix=matrix_at(view),
        depositor=post_at(view, words.post) if words.post else None,
        consent=consent_at(view, certificate, deployment) if certificate is not None else None,
        by_controller=words.ground == Ground.OWN.code and proof.session is None,
        controller=alias.controller,
        refused=refused,
    )


def _signed_proof(
    network: Network, view: LedgerView, controller: Address, found: Found
) -> tuple[DepositProof, str]:
    """The form of the deposit statement that is signed as it should be, or the last one with why it is not."""
    refused = ""
    for proof in sorted(found.proofs, key=lambda each: each.certificate is None):
        try:
            _check_signature(network, view, controller, found.statement, proof)
            return proof, ""
        except CareLedgerError as error:
            refused = str(error)
    return found.proofs[0], refused


def _check_signature(
    network: Network, view: LedgerView, controller: Address, words: DepositStatement, proof: DepositProof
) -> None:
    """The deposit's signature by its session or the controller; raises SignatureRefused, MalformedBytes."""
    deployment = network.ledger.deployment
    if proof.session is None:
        if words.ground != Ground.OWN.code:
            raise SignatureRefused(why="nobody's session")
        open_signed(DepositStatement, proof.statement, controller, deployment)
        return
    post = controller_of(view, words.post)
    session = open_signed(SessionStatement, proof.session.statement, post, deployment)
    if session.post != words.post or not session.made <= words.made < session.until:
        raise SignatureRefused(why="another session")
    open_signed(DepositStatement, proof.statement, session.session_key, deployment)


def _check_author(deposit: _Deposit, opened: Opened) -> None:
    """The author's signature by the author's post, or the patient's by the controller; raises SignatureRefused."""
    manifest = opened.manifest
    if not opened.found.item.signed:
        return
    if manifest.author_signature is None:
        raise SignatureRefused(why="no author's signature")
    signer = controller_of(deposit.view, manifest.author) if manifest.author else deposit.controller
    what = authored(manifest.alias, manifest.record_id, manifest.version, manifest.content_digest)
    check_signer(what, manifest.author_signature, signer)


def controller_of(view: LedgerView, number: int) -> Address:
    """The controller's address of a party at that block; raises SignatureRefused for nobody."""
    facts = view.party(number)
    if facts is None:
        raise SignatureRefused(why="nobody")
    return facts.controller
