"""One dishonest custodian of a patient's list neither hides, spoils nor replaces what the others release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from careledger.adapters.custody.hostile import LyingRows, StaleLink
from careledger.domain.custody import KeptDeposit, KeptStatement
from careledger.domain.errors import NotEnoughShares, ShareMismatch
from careledger.formats.custody import ShareEvidence
from careledger.formats.deposits import DepositItem, DepositStatement, Items
from careledger.formats.patients import EpochRecord
from careledger.formats.releases import Answer, DepositProof, SignedRequest
from careledger.formats.signed import Signed, open_signed, sign
from careledger.ports import CustodianLink
from careledger.proofs.anchors import check_share
from careledger.proofs.items import ItemTree, leaf_of
from careledger.proofs.merkle import leaf_hash
from careledger.sealing.keys import SealingKey, unwrap, wrap
from careledger.workflows import asking
from careledger.workflows.accesses import by_general
from careledger.workflows.actors import Holder
from careledger.workflows.custodian.custodian import Custodian
from careledger.workflows.epochs import begin_epochs, own_statement
from careledger.workflows.retrieve import Retrieved, retrieve
from world import DIAGNOSIS, GENERAL, World, condition, texts, version

Lie = Callable[[Any], Any]
OTHERS = {"resourceType": "Condition", "code": {"text": "somebody else's"}}


class Lying:
    """A custodian's rows whose answers to some questions are changed, so that it signs the lie."""

    def __init__(self, rows: Any, lies: dict[str, Lie]) -> None:
        self._rows, self._lies = rows, lies

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self._rows, name)
        if name not in self._lies:
            return honest
        return lambda *asked: self._lies[name](honest(*asked))


def serve_lies(world: World, number: int, rows: Any = None, journal: Any = None) -> None:
    directory, keys = world.directories[number], world.custody_keys(number)
    stores = rows or directory.rows, journal or directory.journal
    world.links[number] = Custodian(number, *stores, keys, world.ledger, world.clock)


def first_lies(world: World, holder: Holder, **lies: Lie) -> int:
    """The first custodian of the list answers with these lies from now on; its number."""
    number = own_statement(holder)[0].custodians[0]
    serve_lies(world, number, Lying(world.directories[number].rows, lies))
    return number


@pytest.fixture
def one_time_key(monkeypatch: pytest.MonkeyPatch) -> SealingKey:
    """The reader's one-time key, known here so that an answer can be changed and signed again by its custodian."""
    key = SealingKey.random()
    monkeypatch.setattr(asking, "SealingKey", SimpleNamespace(random=lambda: key))
    return key


def first_signs(world: World, holder: Holder, key: SealingKey, change: Callable[[Answer], Answer]) -> None:
    """The first custodian of the list signs changed answers from now on."""
    number = own_statement(holder)[0].custodians[0]
    signing = world.custody_keys(number).signing

    def lie(digest: bytes, sealed: bytes) -> bytes:
        honest = Answer.decode(Signed.decode(unwrap(key, sealed, "answer", digest)).body)
        said = sign(change(honest), signing, world.ledger.deployment)
        return wrap(key.public, said.encode(), "answer", digest)

    world.links[number] = Resigning(world, world.links[number], lie)


@dataclass
class Resigning:
    """A custodian whose releases go through ``lie`` with the request's digest."""

    world: World
    link: CustodianLink
    lie: Callable[[bytes, bytes], bytes]

    @property
    def party(self) -> int:
        return self.link.party

    def call(self, method: str, body: bytes) -> bytes:
        answer = self.link.call(method, body)
        if method != "release":
            return answer
        ledger = self.world.ledger
        request = SignedRequest.decode(body).request
        return self.lie(request.signing_digest(ledger.chain_id, ledger.contract("Consents")), answer)


def patient_with_two_records(world: World) -> Holder:
    """A patient who claimed a record with two diagnoses that the hospital's doctor signed."""
    holder = world.patient(compartments=(DIAGNOSIS, GENERAL))
    world.put(world.writer(), holder.alias, condition(world.doctor), condition(world.doctor, "gout"))
    return world.claim(holder).holder


def changed_shares(held: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return {subject: share[:-1] + bytes([share[-1] ^ 1]) for subject, share in held.items()}


def assert_all_read_and_trusted(read: Retrieved) -> None:
    assert sorted(texts(read)) == ["asthma", "gout"]
    assert [record.distrust for record in read.records] == ["", ""]
    assert read.complete


# Shares ------------------------------------------------------------------------------------------


def test_a_wrong_share_is_evidence_and_the_record_is_read_with_the_next_custodians_share(
    world: World,
) -> None:
    holder = patient_with_two_records(world)
    liar = first_lies(world, holder, shares=changed_shares)
    read = world.read_own(holder)
    assert_all_read_and_trusted(read)
    assert [accused(world, each) for each in read.evidence] == [liar, liar]


def accused(world: World, evidence: ShareEvidence) -> int:
    """Whom the evidence convicts: its own signature stands under a share that the deposit did not commit to."""
    claimed = Answer.decode(evidence.answer.body)
    facts = world.ledger.fresh_head().custodian(claimed.custodian)
    assert facts is not None
    answer = open_signed(Answer, evidence.answer, facts.signer, world.ledger.deployment)
    [row] = [row for row in answer.rows if row.handle == evidence.handle]
    assert row.share is not None
    with pytest.raises(ShareMismatch):
        check_share(row.commitments, 5, row.place, row.share, row.path)
    return answer.custodian


def test_honest_custodians_leave_no_evidence(world: World) -> None:
    read = world.read_own(patient_with_two_records(world))
    assert_all_read_and_trusted(read)
    assert (read.evidence, read.problems, read.complete) == ((), (), True)


def test_with_two_wrong_shares_of_three_nothing_opens_and_both_are_named(world: World) -> None:
    holder = patient_with_two_records(world)
    liars = own_statement(holder)[0].custodians[:2]
    for number in liars:
        serve_lies(world, number, LyingRows(world.directories[number].rows, wrong_share=True))
    read = world.read_own(holder)
    assert read.records == ()
    assert [type(problem) for problem in read.problems] == [NotEnoughShares, NotEnoughShares]
    assert {accused(world, each) for each in read.evidence} == set(liars)


# Rows --------------------------------------------------------------------------------------------


def test_a_custodian_that_hides_records_hides_nothing(world: World) -> None:
    holder = patient_with_two_records(world)
    first_lies(world, holder, versions=lambda rows: [])
    assert_all_read_and_trusted(world.read_own(holder))


def test_a_custodian_that_files_records_under_another_epoch_does_not_keep_them_shut(world: World) -> None:
    holder = patient_with_two_records(world)
    first_lies(world, holder, deposits=lambda found: [replace(each, epoch=7) for each in found])
    assert_all_read_and_trusted(world.read_own(holder))


def test_a_custodian_that_leaves_sessions_out_makes_no_record_look_forged(world: World) -> None:
    def stripped(found: list[KeptDeposit]) -> list[KeptDeposit]:
        proofs = [DepositProof.decode(each.proof) for each in found]
        bare = [DepositProof(proof.statement, None, None).encode() for proof in proofs]
        return [replace(each, proof=proof) for each, proof in zip(found, bare, strict=True)]

    holder = patient_with_two_records(world)
    first_lies(world, holder, deposits=stripped)
    assert_all_read_and_trusted(world.read_own(holder))


def test_a_custodian_that_says_unreadable_things_is_passed_over(world: World) -> None:
    def spoiled(found: list[KeptDeposit]) -> list[KeptDeposit]:
        proofs = [DepositProof.decode(each.proof) for each in found]
        broken = [replace(proof, statement=replace(proof.statement, body=b"\xff")) for proof in proofs]
        return [replace(each, proof=proof.encode()) for each, proof in zip(found, broken, strict=True)]

    holder = patient_with_two_records(world)
    first_lies(world, holder, deposits=spoiled)
    assert_all_read_and_trusted(world.read_own(holder))


def test_another_patients_rows_are_not_taken_for_ones_own(world: World) -> None:
    holder, other = patient_with_two_records(world), world.claimed(compartments=(DIAGNOSIS,))
    world.put(world.own_writer(other), other.alias, version(OTHERS, source="patient-reported"))
    liar = own_statement(holder)[0].custodians[0]
    serve_lies(world, liar, LyingRows(world.directories[liar].rows, rows_of=other.alias))
    assert_all_read_and_trusted(world.read_own(holder))


def test_a_record_that_one_custodian_calls_erased_is_still_read(
    world: World, one_time_key: SealingKey
) -> None:
    holder = patient_with_two_records(world)

    def erased(answer: Answer) -> Answer:
        return replace(answer, rows=tuple(replace(row, state="erased") for row in answer.rows))

    first_signs(world, holder, one_time_key, erased)
    assert_all_read_and_trusted(world.read_own(holder))


def test_a_record_of_anothers_making_under_a_known_handle_replaces_nothing(
    world: World, one_time_key: SealingKey
) -> None:
    """The dishonest custodian's own organisation anchors other contents under a handle that it was told."""
    holder = patient_with_two_records(world)
    number = own_statement(holder)[0].custodians[0]
    member = world.custodial[number]

    def replaced(answer: Answer) -> Answer:
        row, proof = answer.rows[0], answer.deposits[0]
        words = DepositStatement.decode(proof.statement.body)
        item = DepositItem(
            row.handle, row.header, row.manifest, row.manifest, row.commitments, row.predecessor, row.author,
            row.signed, row.clinical_month,
        )  # fmt: skip
        root = leaf_hash(leaf_of(item))
        made = replace(words, id=bytes(16), count=1, items=ItemTree(Items.of([item])).root)
        world.ledger.anchor(root, 1, member.number, member.controller)
        signed = sign(made, member.controller, world.ledger.deployment)
        other = replace(
            row,
            deposit=made.digest(),
            position=0,
            item_path=(),
            body=row.manifest,
            root=root,
            index=0,
            size=1,
            anchor_path=(),
        )
        return replace(answer, rows=(other,), deposits=(replace(proof, statement=signed),))

    first_signs(world, holder, one_time_key, replaced)
    read = world.read_own(holder)
    assert_all_read_and_trusted(read)
    assert len(read.problems) == 1
    assert read.evidence == ()


# Epochs ------------------------------------------------------------------------------------------


def test_forged_epochs_keep_no_reader_out(world: World) -> None:
    """The reader came under the first epoch and needs the chain backwards from the second."""
    holder = patient_with_two_records(world)
    begin_epochs(world.network, holder, [DIAGNOSIS.number])
    world.grant(holder, world.outsider)
    assert_all_read_and_trusted(world.read_by_consent(world.outsider, holder.alias))

    def forged(found: list[KeptStatement]) -> list[KeptStatement]:
        return [replace(each, signed=_other_seed(EpochRecord.decode(each.signed))) for each in found]

    for place in (0, 4):
        number = own_statement(holder)[0].custodians[place]
        journal = Lying(world.directories[number].journal, {"epochs": forged})
        serve_lies(world, number, journal=journal)
        assert_all_read_and_trusted(world.read_by_consent(world.outsider, holder.alias))


def _other_seed(record: EpochRecord) -> bytes:
    spoiled = bytes(len(record.previous_seed)) if record.previous_seed else None
    return replace(record, previous_seed=spoiled).encode()


def test_a_custodian_that_repeats_old_statements_feeds_no_writer_an_old_key(world: World) -> None:
    holder = patient_with_two_records(world)
    number = own_statement(holder)[0].custodians[0]
    world.links[number] = StaleLink(world.links[number], ("alias",))
    writer = world.own_writer(holder)
    world.put(writer, holder.alias, version(OTHERS, source="patient-reported"))
    begin_epochs(world.network, holder, [DIAGNOSIS.number])
    world.put(writer, holder.alias, version(OTHERS, source="patient-reported"))
    read = world.read_own(holder)
    epochs = [record.found.statement.epoch for record in read.records]
    assert epochs[-1] == epochs[-2] + 1
    assert len(epochs) == 4


# Escrow ------------------------------------------------------------------------------------------


def general_reading(world: World, holder: Holder) -> Retrieved:
    access = by_general(world.session(world.outsider))
    return retrieve(world.network, access, world.statement(holder.alias), [GENERAL])


def test_one_wrong_escrow_share_does_not_stop_an_emergency(world: World) -> None:
    holder = world.patient(compartments=(GENERAL,))
    blood = {"resourceType": "Observation", "code": {"text": "blood group"}}
    world.put(world.writer(), holder.alias, version(blood, GENERAL, world.doctor))
    assert texts(general_reading(world, holder)) == ["blood group"]
    liar = first_lies(world, holder, shares=changed_shares)
    read = general_reading(world, holder)
    assert texts(read) == ["blood group"]
    assert [accused(world, each) for each in read.evidence] == [liar]
