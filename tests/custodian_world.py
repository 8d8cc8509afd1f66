"""Five custodians, a patient, a registrar with a doctor, a stranger; and the messages that they send each other."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from careledger.adapters.custody.directory import CustodyDirectory, install
from careledger.adapters.custody.hostile import LyingRows
from careledger.adapters.custody.plain_keys import InsecurePlainKeys
from careledger.adapters.memory.clock import ManualClock
from careledger.adapters.memory.ledger import MemoryLedger
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.parties import ControllerKind, Role
from careledger.formats.cids import raw_cid
from careledger.formats.custody import Receipt
from careledger.formats.deposits import (
    AnchorNotice,
    AnchorNotices,
    DepositItem,
    DepositStatement,
    Items,
    KeepRequest,
    KeptPart,
    ShareRow,
    deposited,
)
from careledger.formats.digests import digest
from careledger.formats.patients import (
    AliasStatement,
    Certificate,
    Enrolment,
    EpochRecord,
    EpochRecords,
    EpochStatement,
    GranteeForm,
    Order,
    ScopeForm,
)
from careledger.formats.releases import Answer, EmergencyOpening, ReleaseRequest, SignedRequest
from careledger.formats.sessions import SessionProof, SessionStatement
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, open_signed, sign
from careledger.ports import CustodianLink
from careledger.proofs.anchors import AnchorBatch, share_commitment
from careledger.proofs.items import ItemTree, leaf_of
from careledger.proofs.merkle import root as merkle_root
from careledger.sealing.keys import SealingKey, Secret, unwrap, wrap
from careledger.sealing.phrase import audit_key
from careledger.sealing.shamir import split, uniform_below_p
from careledger.workflows.custodian.custodian import Custodian
from careledger.workflows.custodian.parts import Keys

DIAGNOSIS = Compartment(Category.DIAGNOSIS).number
DIAGNOSIS_RESTRICTED = Compartment(Category.DIAGNOSIS, Sensitivity.RESTRICTED).number
GENERAL = Compartment(Category.GENERAL).number
REPORT = Compartment(Category.REPORT).number
MINISTRY, OFFICERS = 900, (901, 902)
REGISTRAR, DOCTOR, OTHER_DOCTOR = 50, 51, 52
STRANGER_HOSPITAL, STRANGER = 60, 61
INSURER, CLERK = 70, 71
DAY = 86_400
HEADER = raw_cid(b"a header")


@dataclass(frozen=True)
class Session:
    """A post's session: its key and the signed statement."""

    post: int
    employer: int
    key: SigningKey
    statement: SessionStatement
    proof: SessionProof


@dataclass
class Deposited:
    """A deposit with everything its maker knows."""

    signed: Signed
    statement: DepositStatement
    session: SessionProof | None
    secrets: list[Secret]
    rows: list[list[ShareRow]]
    escrow: list[ShareRow] | None
    items: tuple[DepositItem, ...]
    certificate: Signed | None = None
    notice: AnchorNotice | None = None
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def handles(self) -> tuple[bytes, ...]:
        return tuple(item.handle for item in self.items)

    @property
    def leaves(self) -> tuple[bytes, ...]:
        return tuple(leaf_of(item) for item in self.items)

    @property
    def receipt_subject(self) -> bytes:
        return deposited([self.statement.digest()])

    def part(self, place: int, with_shares: bool = True, anchor: AnchorNotice | None = None) -> KeptPart:
        mine = [row[place - 1] for row in self.rows] if with_shares else []
        commitments = b"".join(each for row in mine for each in row.commitments)
        escrow = self.escrow[place - 1] if self.escrow else None
        shares = b"".join(row.share for row in mine)
        return KeptPart(self.signed, Items.of(self.items), shares, commitments, escrow, anchor)

    def asking(self, place: int, with_shares: bool = True, anchor: AnchorNotice | None = None) -> KeepRequest:
        part = self.part(place, with_shares, anchor)
        return KeepRequest(self.id, place, self.session, self.certificate, (part,))

    def request(self, place: int, with_shares: bool = True, anchor: AnchorNotice | None = None) -> bytes:
        return self.asking(place, with_shares, anchor).encode()


@dataclass
class Patient:
    """Who holds the alias's keys."""

    alias: bytes
    controller: SigningKey
    sealing: SealingKey
    audit_seed: Secret
    statement: AliasStatement | None = None
    epochs: dict[int, EpochStatement] = field(default_factory=dict)


class World:
    """Everything of one test. ``custodians[i]`` is at place i + 1 of the patient's list."""

    def __init__(self, folder: Path, count: int = 5) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.officer_keys = {number: SigningKey.random() for number in OFFICERS}
        officers = {number: key.address for number, key in self.officer_keys.items()}
        self.ledger = MemoryLedger(self.clock, MINISTRY, officers)
        self.controllers: dict[int, SigningKey] = {}
        self.post_keys: dict[int, SigningKey] = {}
        self.directories: dict[int, CustodyDirectory] = {}
        self.custodians: list[CustodianLink] = []
        for number in range(1, count + 1):
            self.add_custodian(number)
        self.organisation(REGISTRAR, {Role.HOSPITAL})
        self.organisation(STRANGER_HOSPITAL, {Role.HOSPITAL})
        self.organisation(INSURER, {Role.INSURER})
        self.post(DOCTOR, REGISTRAR, {Role.DOCTOR})
        self.post(OTHER_DOCTOR, REGISTRAR, {Role.DOCTOR})
        self.post(STRANGER, STRANGER_HOSPITAL, {Role.DOCTOR})
        self.post(CLERK, INSURER, {Role.OPERATOR})
        self.patient = self.new_patient()

    # Parties -----------------------------------------------------------------------------------

    def organisation(self, number: int, roles: set[Role], sealing: bytes | None = None) -> None:
        key = self.controllers.setdefault(number, SigningKey.random())
        sealing = sealing or secrets.token_bytes(32)
        self.ledger.propose_organisation(number, roles, b"\1" * 32, sealing, key)
        officer = OFFICERS[0]
        self.ledger.verify(number, b"\1" * 32, sealing, self.officer_keys[officer], officer)

    def post(self, number: int, employer: int, roles: set[Role]) -> None:
        key = self.post_keys.setdefault(number, SigningKey.random())
        controller = self.controllers[employer]
        self.ledger.vouch(number, employer, roles, b"\1" * 32, b"\2" * 32, key.address, controller)

    def add_custodian(self, number: int) -> Custodian:
        path = self.folder / f"custodian-{number}"
        install(path, InsecurePlainKeys())
        self.directories[number] = CustodyDirectory(path)
        keys = self.keys(number)
        self.organisation(number, {Role.HOSPITAL}, keys.sealing.digest)
        log_key = digest("log-key", keys.log.verifier.public)
        self.ledger.join_custodians(number, log_key, keys.signing, self.controllers[number])
        self.ledger.activate_custodian(number, self.officer_keys[OFFICERS[0]], OFFICERS[0])
        made = self.start(number)
        self.custodians.append(made)
        return made

    def keys(self, number: int) -> Keys:
        seeds = self.directories[number].seeds
        return Keys.of(self.ledger.deployment, number, seeds.signing, seeds.log, seeds.sealing)

    def start(self, number: int) -> Custodian:
        """A custodian over its open directory."""
        directory = self.directories[number]
        return Custodian(
            number, directory.rows, directory.journal, self.keys(number), self.ledger, self.clock
        )

    def evidence(self, place: int) -> list[tuple[str, bytes]]:
        """What the custodian at that place has found against others."""
        custodian = self.custodians[place - 1]
        assert isinstance(custodian, Custodian)
        return custodian.evidence()

    def restart(self, number: int) -> Custodian:
        """Closes the directory and starts the custodian anew, as after a crash between two calls."""
        self.directories[number].close()
        self.directories[number] = CustodyDirectory(self.folder / f"custodian-{number}")
        made = self.start(number)
        self.custodians[number - 1] = made
        return made

    # The patient -------------------------------------------------------------------------------

    def new_patient(self, kind: ControllerKind = ControllerKind.SELF, enrolled: bool = True) -> Patient:
        patient = Patient(secrets.token_bytes(32), SigningKey.random(), SealingKey.random(), Secret.random())
        registrar = REGISTRAR if kind is ControllerKind.REGISTRAR else 0
        relay = self.controllers[REGISTRAR]
        self.ledger.open_alias(patient.alias, patient.controller, kind, 0, registrar, relay, relay)
        if enrolled:
            self.state(patient)
            for compartment in (DIAGNOSIS, DIAGNOSIS_RESTRICTED, GENERAL, REPORT):
                self.begin_epoch(patient, compartment)
        return patient

    def next_statement(self, patient: Patient, **changes: Any) -> AliasStatement:
        before = patient.statement
        made = AliasStatement(
            patient.alias,
            0 if before is None else before.number + 1,
            bytes(32) if before is None else before.digest(),
            0 if before is None else before.claim,
            patient.sealing.public,
            tuple(each.party for each in self.custodians[:5]) if before is None else before.custodians,
            b"\5" * 32,
            REGISTRAR,
            True,
        )
        return replace(made, **changes)

    def enrolment(self, patient: Patient, statement: AliasStatement, custodian: int) -> bytes:
        key = audit_key(patient.audit_seed, patient.alias, statement.claim, custodian)
        public = self.keys(custodian).sealing.public
        sealed = wrap(public, key.reveal(), "audit-key", patient.alias)
        return Enrolment(sign(statement, patient.controller, self.ledger.deployment), sealed).encode()

    def state(self, patient: Patient, **changes: Any) -> AliasStatement:
        """Publishes the next alias statement at all custodians of the new list and the old one."""
        made = self.next_statement(patient, **changes)
        before = patient.statement.custodians if patient.statement else ()
        for custodian in self.custodians:
            if custodian.party in {*made.custodians, *before}:
                custodian.call("enrol", self.enrolment(patient, made, custodian.party))
        patient.statement = made
        return made

    def next_epoch(self, patient: Patient, compartment: int) -> tuple[EpochStatement, bytes]:
        before = patient.epochs.get(compartment)
        made = EpochStatement(
            patient.alias,
            compartment,
            0 if before is None else before.number + 1,
            SealingKey.random().public,
            bytes(32) if before is None else before.digest(),
            compartment % 2 == 0,
        )
        signed = sign(made, patient.controller, self.ledger.deployment)
        return made, EpochRecord(signed, b"seed", None if before is None else b"before").encode()

    def begin_epoch(self, patient: Patient, compartment: int) -> bytes:
        made, record = self.next_epoch(patient, compartment)
        for custodian in self.custodians[:5]:
            custodian.call("keep-epoch", EpochRecords((EpochRecord.decode(record),)).encode())
        patient.epochs[compartment] = made
        return record

    # Sessions, consents, deposits --------------------------------------------------------------

    def session(
        self, post: int = DOCTOR, employer: int = REGISTRAR, seconds: int = 3600, said: str = "vouched"
    ) -> Session:
        key, now = SigningKey.random(), self.clock.now()
        made = SessionStatement(post, key.address, said, None, now, now + seconds)
        signed = sign(made, self.post_keys[post], self.ledger.deployment)
        return Session(post, employer, key, made, SessionProof(signed))

    def consent(
        self,
        patient: Patient,
        compartments: tuple[int, ...] = (DIAGNOSIS,),
        permissions: tuple[str, ...] = ("view",),
        grantee: GranteeForm | None = None,
        purpose: str = "TREAT",
        start: int = 0,
        seconds: int = DAY,
        give: bool = True,
        **scope: Any,
    ) -> tuple[Certificate, Signed, SigningKey]:
        owner, now = SigningKey.random(), self.clock.now()
        limits: dict[str, Any] = {
            "authors": None, "from_month": None, "to_month": None, "handles": None, "exceptions": (),
        }  # fmt: skip
        certificate = Certificate(
            patient.alias,
            owner.address,
            grantee or GranteeForm("post", DOCTOR, REGISTRAR),
            ScopeForm(tuple(sorted(compartments)), permissions, **{**limits, **scope}),
            purpose,
            secrets.token_bytes(32),
            "",
        )
        if give:
            begin = now + start
            relay = self.controllers[REGISTRAR]
            self.ledger.give_consent(owner, certificate.commitment, begin, begin + seconds, relay)
        return certificate, sign(certificate, patient.controller, self.ledger.deployment), owner

    def deposit(
        self,
        patient: Patient,
        compartment: int = DIAGNOSIS,
        count: int = 1,
        ground: str = "append",
        source: str = "signed",
        session: Session | None = None,
        certificate: Signed | None = None,
        months: tuple[str, ...] = (),
        **changes: Any,
    ) -> Deposited:
        """A deposit as its maker signs it, given to nobody yet; by default the doctor's own, on a consent."""
        if ground == "append" and certificate is None:
            _, certificate, _ = self.consent(patient, (compartment,), ("append",))
        by = None if ground == "own" else session or self.session()
        made = [self._item(source, by, month) for month in months or ("2026-05",) * count]
        batch = uniform_below_p()
        epoch = patient.epochs[compartment]
        escrow = share_rows(batch, 3) if epoch.escrow else None
        statement = DepositStatement(
            secrets.token_bytes(16), patient.alias, compartment, epoch.number, epoch.digest(),
            by.employer if by else 0, by.post if by else 0, ground, source, False, self.clock.now(),
            merkle_root(escrow[0].commitments) if escrow else None, len(made),
            ItemTree(Items.of([item for item, _, _ in made])).root,
        )  # fmt: skip
        statement = replace(statement, **changes)
        key = by.key if by else patient.controller
        signed = sign(statement, key, self.ledger.deployment)
        proof = by.proof if by else None
        rows = [row for _, _, row in made]
        items = tuple(item for item, _, _ in made)
        return Deposited(
            signed, statement, proof, [one for _, one, _ in made], rows, escrow, items, certificate
        )

    def _item(
        self, source: str, by: Session | None, month: str
    ) -> tuple[DepositItem, Secret, list[ShareRow]]:
        secret = uniform_below_p()
        rows = share_rows(secret, 2)
        manifest, body = (raw_cid(secrets.token_bytes(16)) for _ in range(2))
        root = merkle_root(rows[0].commitments)
        signed = source in ("signed", "device")
        author = by.post if by and signed else 0
        item = DepositItem(secrets.token_bytes(32), HEADER, manifest, body, root, None, author, signed, month)
        return item, secret, rows

    def keep(self, made: Deposited, places: tuple[int, ...] = (1, 2, 3, 4, 5)) -> list[Receipt]:
        return [self.receipt(place, "keep", made.request(place)) for place in places]

    def receipt(self, place: int, method: str, body: bytes) -> Receipt:
        signed = Signed.decode(self.custodians[place - 1].call(method, body))
        signer = self.keys(self.custodians[place - 1].party).signing.address
        return open_signed(Receipt, signed, signer, self.ledger.deployment)

    def anchor(self, made: Deposited, places: tuple[int, ...] = (1, 2, 3, 4, 5)) -> AnchorNotice:
        batch = AnchorBatch(made.leaves)
        self.ledger.anchor(batch.root, batch.size, REGISTRAR, self.controllers[REGISTRAR])
        outside = batch.outside(0, batch.size)
        made.notice = AnchorNotice(made.statement.id, batch.root, batch.size, 0, outside)
        for place in places:
            self.custodians[place - 1].call("anchored", AnchorNotices((made.notice,)).encode())
        return made.notice

    def deposited(
        self, patient: Patient, compartment: int = DIAGNOSIS, count: int = 1, **more: Any
    ) -> Deposited:
        """A deposit that all five keep and the ledger anchors."""
        made = self.deposit(patient, compartment, count, **more)
        self.keep(made)
        self.anchor(made)
        return made

    # Asking ------------------------------------------------------------------------------------

    def request(
        self,
        patient: Patient,
        session: Session | None,
        ephemeral: SealingKey,
        certificate: Signed | None = None,
        compartments: tuple[int, ...] = (DIAGNOSIS,),
        rule: str = "consent",
        emergency: EmergencyOpening | None = None,
        signer: SigningKey | None = None,
        **changes: Any,
    ) -> SignedRequest:
        head = self.ledger.fresh_head().head
        opened = Certificate.decode(certificate.body) if certificate else None
        request = ReleaseRequest(
            secrets.token_bytes(16),
            session.post if session else 0,
            session.employer if session else 0,
            session.statement.digest() if session else bytes(32),
            patient.statement.custodians if patient.statement else (),
            patient.alias,
            rule,
            opened.owner if opened else bytes(20),
            opened.commitment if opened else bytes(32),
            bytes(32),
            "TREAT",
            None,
            compartments,
            0,
            head.number,
            head.hash,
            self.clock.now() + 60,
            ephemeral.public,
        )
        request = replace(request, **changes)
        key = signer or (session.key if session else patient.controller)
        wanted = request.signing_digest(self.ledger.chain_id, self.ledger.contract("Consents"))
        proof = session.proof if session else None
        return SignedRequest(request, key.sign(wanted), proof, certificate, emergency)

    def send(self, place: int, signed: SignedRequest, ephemeral: SealingKey) -> Answer:
        """The answer, opened and checked as a reader does."""
        custodian = self.custodians[place - 1]
        wanted = signed.request.signing_digest(self.ledger.chain_id, self.ledger.contract("Consents"))
        opened = unwrap(ephemeral, custodian.call("release", signed.encode()), "answer", wanted)
        signer = self.keys(custodian.party).signing.address
        answer = open_signed(Answer, Signed.decode(opened), signer, self.ledger.deployment)
        assert answer.request == wanted
        return answer

    def ask(self, patient: Patient, session: Session | None, certificate: Signed | None = None,
            place: int = 1, **more: Any) -> Answer:  # fmt: skip
        ephemeral = SealingKey.random()
        return self.send(place, self.request(patient, session, ephemeral, certificate, **more), ephemeral)

    def ask_liar(
        self, patient: Patient, session: Session, certificate: Signed, lie: dict[str, Any], place: int = 1
    ) -> Answer:
        """Asks the custodian at that place once, its rows lying to it."""
        number, honest = self.custodians[place - 1].party, self.custodians[place - 1]
        directory = self.directories[number]
        rows = LyingRows(directory.rows, **lie)
        self.custodians[place - 1] = Custodian(
            number, rows, directory.journal, self.keys(number), self.ledger, self.clock
        )
        answer = self.ask(patient, session, certificate, place=place)
        self.custodians[place - 1] = honest
        self.restart(number)
        return answer

    def request_bytes(self, patient: Patient, session: Session, certificate: Signed) -> bytes:
        return self.request_at(patient, session, certificate).encode()

    def request_at(self, patient: Patient, session: Session, certificate: Signed) -> SignedRequest:
        stale, self.ledger.stale = self.ledger.stale, False
        made = self.request(patient, session, SealingKey.random(), certificate)
        self.ledger.stale = stale
        return made

    def opened(self, certificate: Signed) -> Certificate:
        return Certificate.decode(certificate.body)

    def order(self, patient: Patient, act: str, handles: tuple[bytes, ...], **changes: Any) -> bytes:
        block = self.ledger.fresh_head().head.number if act == "accept" else 0
        until = self.clock.now() + 600
        made = Order(secrets.token_bytes(16), patient.alias, act, handles, "wish", block, until)
        made = replace(made, **changes)
        return sign(made, patient.controller, self.ledger.deployment).encode()


def share_rows(secret: Secret, threshold: int, places: int = 5) -> list[ShareRow]:
    shares = split(secret, threshold, places)
    committed = tuple(share_commitment(share.place, share.value.reveal()) for share in shares)
    return [ShareRow(share.place, share.value.reveal(), committed) for share in shares]
