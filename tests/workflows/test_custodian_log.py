"""The release log: complete for the patient, anchored, cosigned; an omission or a fork is caught."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.custody.hostile import LyingLink
from careledger.adapters.custody.lines import FollowedLines
from careledger.domain.custodians import Thresholds
from careledger.domain.errors import (
    AccessRefused,
    CannotOpen,
    DigestMismatch,
    LedgerStale,
    LogForked,
    ProofRefused,
    RequestRefused,
    SignatureRefused,
    StatementRefused,
)
from careledger.domain.parties import ControllerKind
from careledger.formats import cbor
from careledger.formats.custody import AttestedFact, AuditAnswer, CosignRequest, FactQuestion, log_origin
from careledger.formats.digests import uint
from careledger.formats.patients import AuditRequest, Enrolment
from careledger.formats.proofs import AuditProof
from careledger.formats.releases import EmergencyOpening, LogEntry
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, open_signed, sign
from careledger.proofs.audit import Link, check_audit, check_chain
from careledger.proofs.checkpoints import Checkpoint, cosigners_of
from careledger.proofs.release_log import ReleaseLog, sealed_digest
from careledger.proofs.tiles import entries_path
from careledger.sealing.keys import Secret, unwrap, wrap
from careledger.sealing.phrase import audit_key
from careledger.workflows.cosigning import cosign, cosign_all
from careledger.workflows.network import Network
from custodian_world import REGISTRAR, Patient, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _network(world: World) -> Network:
    links = {each.party: each for each in world.custodians}
    return Network(world.ledger, None, links, None, world.clock, SigningKey.random(), Thresholds())  # type: ignore[arg-type]


def _request(world: World, patient: Patient, place: int, claim: int = 0, first: int = 0) -> bytes:
    party = world.custodians[place - 1].party
    made = AuditRequest(secrets.token_bytes(16), patient.alias, claim, party, first, world.clock.now() + 60)
    return sign(made, patient.controller, world.ledger.deployment).encode()


def _audit(world: World, patient: Patient, place: int = 1, claim: int = 0) -> list[LogEntry]:
    """What the patient's agent does: opens every entry, follows the chain, checks the proof of the count."""
    signed = Signed.decode(world.custodians[place - 1].call("audit", _request(world, patient, place, claim)))
    return _checked(world, patient, place, claim, signed)


def _checked(world: World, patient: Patient, place: int, claim: int, signed: Signed) -> list[LogEntry]:
    keys = world.keys(world.custodians[place - 1].party)
    answer = open_signed(AuditAnswer, signed, keys.signing.address, world.ledger.deployment)
    if not answer.held:
        return []
    entries = []
    for index, sealed in enumerate(answer.entries):
        context = (patient.alias, uint(answer.custodian), uint(index))
        entries.append(LogEntry.decode(unwrap(patient.sealing, sealed, "log-entry", *context)))
    digests = [sealed_digest(sealed) for sealed in answer.entries]
    check_chain(digests, [Link(entry.index, entry.previous) for entry in entries])
    key = audit_key(patient.audit_seed, patient.alias, claim, answer.custodian).reveal()
    on_ledger = world.ledger.fresh_head().checkpoint(answer.custodian)
    assert answer.proof is not None
    assert on_ledger is not None
    check_audit(AuditProof.decode(answer.proof), key, digests, keys.log.verifier, on_ledger)
    return entries


def test_the_patient_sees_every_release_and_refusal_with_a_proof_that_nothing_is_missing(
    world: World,
) -> None:
    made = world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    session = world.session(said="passkey")  # which it does not prove
    world.ask(world.patient, session, certificate)
    with pytest.raises(AccessRefused):
        world.ask(world.patient, session, certificate, purpose="COVERAGE")
    world.receipt(1, "order", world.order(world.patient, "restrict", made.handles))
    entries = _audit(world, world.patient)
    assert [entry.event for entry in entries] == ["enrolled", "kept", "released", "refused", "order"]
    released, refused = entries[2], entries[3]
    assert released.handles == made.handles
    assert (released.reader, released.employer) == (session.post, session.employer)
    assert released.person_proof == "vouched"
    assert released.session == session.statement.digest()
    assert released.custodians == (1, 2, 3, 4, 5)
    assert (refused.reason, refused.handles) == ("other-purpose", ())
    assert [entry.event for entry in _audit(world, world.patient)][5:] == ["audited"]


def test_only_the_controller_audits(world: World) -> None:
    honest = world.patient.controller
    world.patient.controller = SigningKey.random()
    body = _request(world, world.patient, 1)
    world.patient.controller = honest
    with pytest.raises(SignatureRefused):
        world.custodians[0].call("audit", body)
    with pytest.raises(RequestRefused, match="another-custodian"):
        world.custodians[0].call("audit", _request(world, world.patient, 2))
    body = _request(world, world.patient, 1)
    world.clock.advance(61)
    with pytest.raises(RequestRefused, match="not-after"):
        world.custodians[0].call("audit", body)
    assert _audit(world, world.patient)


def test_a_custodian_that_never_held_anything_says_so_signed(world: World) -> None:
    unknown = world.new_patient(enrolled=False)
    signed = Signed.decode(world.custodians[0].call("audit", _request(world, unknown, 1)))
    answer = open_signed(AuditAnswer, signed, world.keys(1).signing.address, world.ledger.deployment)
    assert (answer.held, answer.entries, answer.proof) == (False, (), None)


def test_a_custodian_that_omits_an_entry_is_caught(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    world.ask(world.patient, world.session(), certificate)
    key = world.keys(1).signing
    honest = Signed.decode(world.custodians[0].call("audit", _request(world, world.patient, 1)))
    answer = AuditAnswer.decode(honest.body)
    assert len(answer.entries) == 3
    for kept in (answer.entries[:-1], answer.entries[:1] + answer.entries[2:], answer.entries[1:]):
        lie = AuditAnswer(1, answer.request, True, 0, kept, answer.proof, ())
        with pytest.raises((ProofRefused, CannotOpen)):
            _checked(world, world.patient, 1, 0, sign(lie, key, world.ledger.deployment))
    assert len(_checked(world, world.patient, 1, 0, honest)) == 3


def test_an_alarm_follows_each_breaking_of_the_glass(world: World) -> None:
    world.deposited(world.patient)
    opening = EmergencyOpening(b"\1" * 32, world.patient.alias, "unconscious", ())
    keys, until = world.post_keys, world.clock.now() + 3600
    world.ledger.open_break_glass(
        b"\2" * 32, opening.commitment, until, False, (51, keys[51]), (52, keys[52]), keys[51]
    )
    asked: dict[str, Any] = {"rule": "break-glass", "purpose": "BTG", "entry": b"\2" * 32}
    world.ask(world.patient, world.session(), emergency=opening, **asked)
    released, alarm = _audit(world, world.patient)[-2:]
    assert (released.event, alarm.event) == ("released", "alarm")
    assert (alarm.reader, alarm.rule, alarm.commitment) == (51, "break-glass", b"\2" * 32)


def test_a_claim_closes_the_registrars_chain_and_begins_a_new_one(world: World) -> None:
    unclaimed = world.new_patient(ControllerKind.REGISTRAR)
    world.deposited(unclaimed, ground="registrar")
    old_seed, fresh, relay = unclaimed.audit_seed, SigningKey.random(), world.controllers[REGISTRAR]
    world.ledger.rotate_alias(unclaimed.alias, ControllerKind.SELF, 0, unclaimed.controller, fresh, relay)
    unclaimed.controller, unclaimed.audit_seed = fresh, Secret.random()
    world.state(unclaimed, claim=1)
    assert [entry.event for entry in _audit(world, unclaimed, claim=1)] == ["enrolled"]
    new_seed, unclaimed.audit_seed = unclaimed.audit_seed, old_seed
    assert [entry.event for entry in _audit(world, unclaimed, claim=0)] == ["enrolled", "kept"]
    assert new_seed != old_seed


def test_statements_continue_and_only_the_present_controller_makes_them(world: World) -> None:
    first = world.patient.statement
    assert first is not None
    second = world.state(world.patient, escrow=False)
    assert second.number == 1
    for changes in ({"number": 1, "escrow": True}, {"number": 2, "previous": b"\1" * 32}):
        made = world.next_statement(world.patient, **changes)
        with pytest.raises(StatementRefused):
            world.custodians[0].call("enrol", world.enrolment(world.patient, made, 1))
    world.custodians[0].call("enrol", world.enrolment(world.patient, second, 1))
    honest = world.patient.controller
    world.patient.controller = SigningKey.random()
    forged = world.enrolment(world.patient, world.next_statement(world.patient), 1)
    world.patient.controller = honest
    with pytest.raises(SignatureRefused):
        world.custodians[0].call("enrol", forged)
    elsewhere = world.next_statement(world.new_patient(enrolled=False), custodians=(2, 3, 4, 5))
    stranger = Patient(elsewhere.alias, honest, world.patient.sealing, Secret.random())
    with pytest.raises(SignatureRefused):
        world.custodians[0].call("enrol", world.enrolment(stranger, elsewhere, 1))


def test_nobody_stops_a_log_by_giving_two_chains_one_key(world: World) -> None:
    def enrolment(statement: Any, key: Secret) -> bytes:
        sealed = wrap(world.keys(1).sealing.public, key.reveal(), "audit-key", patient.alias)
        return Enrolment(sign(statement, patient.controller, world.ledger.deployment), sealed).encode()

    first, patient = world.patient, world.new_patient(enrolled=False)
    taken = audit_key(first.audit_seed, first.alias, 0, 1)
    made = world.next_statement(patient)
    with pytest.raises(RequestRefused):
        world.custodians[0].call("enrol", enrolment(made, taken))
    own = Secret.random()
    for _ in range(2):  # the second time it is known
        world.custodians[0].call("enrol", enrolment(made, own))
    patient.statement = made
    anew = world.next_statement(patient, claim=1)
    with pytest.raises(RequestRefused):
        world.custodians[0].call("enrol", enrolment(anew, own))
    world.custodians[0].call("enrol", enrolment(anew, Secret.random()))
    world.custodians[0].call("checkpoint", b"")
    assert next(entry.event for entry in _audit(world, first)) == "enrolled"


def test_checkpoints_are_anchored_and_cosigned_by_the_others(world: World) -> None:
    network = _network(world)
    for custodian in world.custodians:
        custodian.call("checkpoint", b"")
    assert cosign_all(network) == {}
    for number in range(1, 6):
        facts = world.ledger.fresh_head().checkpoint(number)
        assert facts is not None
        assert facts.cosigners == frozenset(range(1, 6)) - {number}
    world.deposited(world.patient)
    world.custodians[0].call("checkpoint", b"")
    note = cosign(network, world.custodians[0], world.custodians[1])
    assert list(cosigners_of(note, [world.keys(2).cosigner.verifier])) == [
        log_origin(world.ledger.deployment, 2)
    ]
    with pytest.raises(ProofRefused):
        world.custodians[0].call("tile", entries_path(0, 200).encode())


def test_a_log_that_grew_is_cosigned_without_reading_again_what_was_followed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, (log, cosigner, *_) = _network(world), world.custodians
    for _ in range(2):
        world.deposited(world.patient)
        log.call("checkpoint", b"")
        assert cosign(network, log, cosigner)
        monkeypatch.setattr(FollowedLines, "entries", None)


def _other_line(data: bytes) -> bytes:
    """The last line of an entry bundle replaced; the checkpoint as it is."""
    return data[:-1] + bytes([data[-1] ^ 1]) if data[:2] == b"\x00\x40" else data


def test_a_log_that_shows_another_history_is_not_cosigned_and_the_note_is_kept(world: World) -> None:
    network, keys = _network(world), world.keys(1)
    world.custodians[0].call("checkpoint", b"")
    cosign(network, world.custodians[0], world.custodians[1])
    origin = log_origin(world.ledger.deployment, 1)
    other = ReleaseLog(origin, [secrets.token_bytes(64) for _ in range(4)])
    forged = other.head().checkpoint.sign(keys.log).encode()
    request = CosignRequest(1, keys.log.verifier.public, forged, 0, tuple(other.entries(0, 4)))
    with pytest.raises(LogForked):
        world.custodians[1].call("cosign", request.encode())
    assert world.evidence(2) == [("fork", request.encode())]
    assert cosign(network, world.custodians[0], world.custodians[2])
    lying = LyingLink(world.custodians[0], {"tile": _other_line})
    world.deposited(world.patient)
    world.custodians[0].call("checkpoint", b"")
    with pytest.raises(LogForked):
        cosign(network, lying, world.custodians[3])
    stranger = CosignRequest(1, world.keys(2).log.verifier.public, forged, 0, ())
    with pytest.raises(DigestMismatch):
        world.custodians[1].call("cosign", stranger.encode())


def test_every_line_is_anchored_after_a_checkpoint_and_survives_a_restart(world: World) -> None:
    world.deposited(world.patient)
    note = world.custodians[0].call("checkpoint", b"")
    again = world.restart(1)
    assert again.call("tile", b"checkpoint") == note
    assert again.call("checkpoint", b"") == note
    checkpoint = Checkpoint.parse(note.decode().rpartition("\n\n")[0] + "\n")
    assert checkpoint.size == world.directories[1].journal.log().size()
    assert len(_audit(world, world.patient)) == 2


@pytest.mark.parametrize(
    "spoil", ["DROP TABLE tags", "DELETE FROM tags", "UPDATE tags SET number = number + 1"]
)
def test_a_custodian_whose_tags_are_wrong_says_after_a_restart_what_it_said_before(
    world: World, spoil: str
) -> None:
    for _ in range(3):
        world.deposited(world.patient)
    network, note = _network(world), world.custodians[0].call("checkpoint", b"")
    assert cosign(network, world.custodians[0], world.custodians[1])
    lines = len(_audit(world, world.patient))
    for number in (1, 2):
        with closing(sqlite3.connect(world.folder / f"custodian-{number}" / "journal.db")) as file:
            file.execute(spoil)
            file.commit()
        world.restart(number)
    assert world.custodians[0].call("tile", b"checkpoint") == note
    assert len(_audit(world, world.patient)) == lines + 1
    world.custodians[0].call("checkpoint", b"")
    assert cosign(network, world.custodians[0], world.custodians[1])
    assert world.evidence(2) == []


def test_a_fact_is_attested_as_of_the_block_that_was_asked_for(world: World) -> None:
    made = world.deposited(world.patient)
    assert made.notice is not None
    anchor = world.ledger.fresh_head().anchor(made.notice.root)
    assert anchor is not None

    def attested(question: str, subject: bytes, block: int | None) -> AttestedFact:
        asked = FactQuestion(question, subject, b"\6" * 16, block)
        signed = Signed.decode(world.custodians[0].call("attest", asked.encode()))
        return open_signed(AttestedFact, signed, world.keys(1).signing.address, world.ledger.deployment)

    now = attested("anchored", anchor.root, None)
    assert cbor.decode(now.fact) == [anchor.block, anchor.time, anchor.organisation, anchor.count]
    there, before = (attested("anchored", anchor.root, anchor.block - back) for back in (0, 1))
    assert (there.fact, there.block_number) == (now.fact, anchor.block)
    assert (before.fact, before.block_number) == (b"", anchor.block - 1)
    assert before.block_hash == world.ledger.at(anchor.block - 1).head.hash
    assert cbor.decode(attested("matrix", b"", None).fact) == [world.ledger.fresh_head().matrix_version()]
    assert cbor.decode(attested("in-team", uint(51) + uint(1), None).fact) == [0]
    assert attested("team", uint(1), None).fact == b""
    with pytest.raises(LedgerStale):
        attested("head", b"", now.block_number + 1)


def test_facts_are_attested_with_block_and_nonce(world: World) -> None:
    made = world.deposited(world.patient)
    assert made.notice is not None
    question = FactQuestion("anchor", made.notice.root, b"\6" * 16, None)
    signed = Signed.decode(world.custodians[0].call("attest", question.encode()))
    fact = open_signed(AttestedFact, signed, world.keys(1).signing.address, world.ledger.deployment)
    head = world.ledger.fresh_head().head
    assert (fact.fact, fact.nonce) == (uint(1), b"\6" * 16)
    assert (fact.block_number, fact.block_hash) == (head.number, head.hash)
    unknown = FactQuestion("anchor", b"\1" * 32, b"\6" * 16, None)
    signed = Signed.decode(world.custodians[0].call("attest", unknown.encode()))
    assert AttestedFact.decode(signed.body).fact == b""
    for name, subject in (
        ("head", b""),
        ("party", uint(51)),
        ("custodian", uint(1)),
        ("alias", world.patient.alias),
    ):
        body = FactQuestion(name, subject, b"\6" * 16, None).encode()
        assert AttestedFact.decode(Signed.decode(world.custodians[0].call("attest", body)).body).fact
