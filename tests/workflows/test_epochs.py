"""Epochs and claims: whose keys open what, from when on, and that nobody is fed an old one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.adapters.custody.hostile import LyingLink
from careledger.domain.errors import (
    AccessRefused,
    CannotOpen,
    EpochRefused,
    NotEnoughCustodians,
    NotTheController,
    PatientNotFound,
    WritingRefused,
)
from careledger.domain.parties import ControllerKind
from careledger.domain.records import Ground
from careledger.formats.custody import AliasAnswer, NewestEpoch
from careledger.formats.patients import EpochRecord, EpochStatement
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.ports import CustodianLink
from careledger.sealing.keys import SealingKey
from careledger.sealing.phrase import Phrase
from careledger.workflows.accesses import by_registrar
from careledger.workflows.actors import Holder, load_holder
from careledger.workflows.claim import claim
from careledger.workflows.custody import epoch_chain, newest_epochs
from careledger.workflows.epochs import begin_epochs, ensure_epochs, open_epochs, own_statement
from careledger.workflows.grant import Granted
from careledger.workflows.register import kept_aliases, kept_holder
from careledger.workflows.retrieve import retrieve
from careledger.workflows.revoke import revoke
from world import APPEND, DIAGNOSIS, GENERAL, REPORT, World, condition, texts, version

ONE = (DIAGNOSIS,)
TWO = (DIAGNOSIS, REPORT)
NUMBER = DIAGNOSIS.number


def numbers(world: World, holder: Holder) -> list[int]:
    """The numbers of the diagnosis epochs, newest first, as a writer is told them."""
    chain = epoch_chain(world.network, world.statement(holder.alias), NUMBER)
    return [statement.number for statement, _ in chain]


def away(world: World, holder: Holder, *places: int) -> dict[int, CustodianLink]:
    """The custodians at these places cannot be reached; give the result back to ``world.links.update``."""
    listed = world.statement(holder.alias).custodians
    return {listed[place]: world.links.pop(listed[place]) for place in places}


def lie_about_epochs(
    world: World, number: int, lie: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]
) -> None:
    def change(answer: bytes) -> bytes:
        honest = AliasAnswer.decode(answer)
        return replace(honest, epochs=lie(honest.epochs)).encode()

    world.links[number] = LyingLink(world.links[number], {"alias": change})


# Epochs ------------------------------------------------------------------------------------------


def test_ensuring_begins_a_first_epoch_once_and_beginning_makes_the_next(world: World) -> None:
    holder = world.patient(compartments=())
    assert numbers(world, holder) == []
    ensure_epochs(world.network, holder, [NUMBER])
    ensure_epochs(world.network, holder, [NUMBER])
    assert numbers(world, holder) == [0]
    begin_epochs(world.network, holder, [NUMBER])
    assert numbers(world, holder) == [1, 0]
    seeds = open_epochs(world.network, holder, own_statement(holder)[0], NUMBER)
    chain = epoch_chain(world.network, own_statement(holder)[0], NUMBER)
    assert {number: SealingKey(seed).public for number, seed in seeds.items()} == {
        statement.number: statement.public_key for statement, _ in chain
    }


def test_with_too_few_answers_a_writer_takes_no_key_and_a_reader_still_reads(world: World) -> None:
    holder = world.patient(compartments=ONE)
    world.put(world.writer(), holder.alias, condition(world.doctor))
    statement = world.statement(holder.alias)
    gone = away(world, holder, 3)
    world.put(world.writer(), holder.alias, condition(world.doctor, "gout"))
    gone |= away(world, holder, 4)
    with pytest.raises(NotEnoughCustodians):
        epoch_chain(world.network, statement, NUMBER)
    with pytest.raises(NotEnoughCustodians):
        world.put(world.writer(), holder.alias, condition(world.doctor, "late"))
    read = world.read_as_registrar(holder)
    assert (texts(read), read.complete) == (["asthma", "gout"], False)
    world.links.update(gone)
    assert world.read_as_registrar(holder).complete


def test_an_epoch_that_fewer_than_n_keep_is_not_in_force_and_is_made_again(world: World) -> None:
    holder = world.patient(compartments=ONE)
    away(world, holder, 4)
    listed = own_statement(holder)[0].custodians

    def refuse(answer: bytes) -> bytes:
        raise EpochRefused()

    honest = dict(world.links)
    for number in listed[:2]:
        world.links[number] = LyingLink(honest[number], {"keep-epoch": refuse})
    with pytest.raises(EpochRefused):
        begin_epochs(world.network, holder, [NUMBER])
    world.links.update(honest)
    begin_epochs(world.network, holder, [NUMBER])
    assert numbers(world, holder) == [2, 1, 0]
    world.put(world.writer(), holder.alias, condition(world.doctor))
    assert texts(world.read_as_registrar(holder)) == ["asthma"]


def test_custodians_that_missed_different_epochs_together_still_give_the_whole_chain(world: World) -> None:
    holder = world.patient(compartments=ONE)
    world.put(world.writer(), holder.alias, condition(world.doctor))
    for place in range(5):
        gone = away(world, holder, place)
        begin_epochs(world.network, holder, [NUMBER])
        world.links.update(gone)
    assert numbers(world, holder) == [5, 4, 3, 2, 1, 0]
    world.put(world.writer(), holder.alias, condition(world.doctor, "gout"))
    away(world, holder, 3, 4)
    assert texts(world.read_as_registrar(holder)) == ["asthma", "gout"]


def test_a_custodian_learns_the_epochs_that_it_has_missed(world: World) -> None:
    holder = world.patient(compartments=ONE)
    gone = away(world, holder, 0)
    begin_epochs(world.network, holder, [NUMBER])
    world.links.update(gone)
    [number] = gone
    journal = world.directories[number].journal
    assert [each.number for each in journal.epochs(holder.alias, NUMBER)] == [0]
    begin_epochs(world.network, holder, [NUMBER])
    assert [each.number for each in journal.epochs(holder.alias, NUMBER)] == [0, 1, 2]


def test_one_custodian_that_withholds_the_newest_epoch_feeds_nobody_an_old_key(world: World) -> None:
    holder = world.patient(compartments=ONE)
    begin_epochs(world.network, holder, [NUMBER])
    for number in own_statement(holder)[0].custodians[:1]:
        lie_about_epochs(world, number, lambda epochs: epochs[:1])
    away(world, holder, 4)
    assert numbers(world, holder) == [1, 0]


def test_an_epoch_that_the_controller_did_not_sign_is_not_taken(world: World) -> None:
    holder = world.patient(compartments=ONE)
    listed = own_statement(holder)[0].custodians
    thief = SealingKey.random()

    def forge(epochs: tuple[bytes, ...]) -> tuple[bytes, ...]:
        if not epochs:
            return ()
        newest = EpochRecord.decode(epochs[-1])
        before = EpochStatement.decode(newest.statement.body)
        made = replace(before, number=before.number + 1, public_key=thief.public, previous=before.digest())
        signed = sign(made, SigningKey.random(), world.ledger.deployment)
        return (*epochs, replace(newest, statement=signed).encode())

    for number in listed[:2]:
        lie_about_epochs(world, number, forge)
    assert numbers(world, holder) == [0]
    [(statement, _)] = epoch_chain(world.network, own_statement(holder)[0], NUMBER)
    assert statement.public_key != thief.public


def test_one_custodian_that_spoils_sealed_seeds_locks_nobody_out(world: World) -> None:
    holder = world.patient(compartments=ONE)
    world.put(world.writer(), holder.alias, condition(world.doctor))
    begin_epochs(world.network, holder, [NUMBER])

    def spoil(epochs: tuple[bytes, ...]) -> tuple[bytes, ...]:
        records = [EpochRecord.decode(each) for each in epochs]
        return tuple(
            replace(each, seed_for_alias=bytes(len(each.seed_for_alias))).encode() for each in records
        )

    listed = own_statement(holder)[0].custodians
    lie_about_epochs(world, listed[0], spoil)
    assert texts(world.read_as_registrar(holder)) == ["asthma"]
    begin_epochs(world.network, holder, [NUMBER])
    assert numbers(world, holder) == [2, 1, 0]
    for number in listed[1:4]:
        lie_about_epochs(world, number, spoil)
    with pytest.raises(CannotOpen):
        world.read_as_registrar(holder)


def test_epochs_are_the_controllers_alone_to_begin(world: World) -> None:
    holder = world.patient(compartments=ONE)
    stranger = Holder(Phrase.random().keys(), holder.state, MemoryBooks())
    stranger.books.put("alias-statement", [(holder.alias, own_statement(holder)[1].encode())])
    with pytest.raises(CannotOpen):
        begin_epochs(world.network, stranger, [NUMBER])
    with pytest.raises(NotEnoughCustodians):
        begin_epochs(world.network, stranger, [GENERAL.number])
    assert not epoch_chain(world.network, world.statement(holder.alias), GENERAL.number)
    begin_epochs(world.network, holder, [NUMBER, GENERAL.number])
    assert len(epoch_chain(world.network, world.statement(holder.alias), GENERAL.number)) == 1


def test_a_holder_without_a_statement_has_no_epochs(world: World) -> None:
    mine = world.claimed(compartments=ONE)
    with pytest.raises(NotTheController):
        begin_epochs(world.network, Holder(mine.keys, mine.state, MemoryBooks()), [NUMBER])


# Newest epochs ------------------------------------------------------------------------------------


def asked_while(world: World, holder: Holder, act: Callable[[], object]) -> list[int]:
    """The sizes of what the patient's first custodian answered about the alias meanwhile."""
    number, sizes = own_statement(holder)[0].custodians[0], list[int]()
    honest = world.links[number]

    def measured(answer: bytes) -> bytes:
        sizes.append(len(answer))
        return answer

    world.links[number] = LyingLink(honest, {"alias": measured})
    act()
    world.links[number] = honest
    return sizes


def test_a_grant_and_its_revocation_ask_once_and_for_the_newest_epochs_however_many_there_were(
    world: World,
) -> None:
    holder = world.claimed(compartments=TWO)
    sizes, given = [], list[Granted]()
    for _ in range(2):
        sizes.append(asked_while(world, holder, lambda: given.append(world.grant(holder, world.doctor, TWO))))
        sizes.append(asked_while(world, holder, lambda: revoke(world.network, holder, given[-1].owner)))
        for _ in range(3):
            begin_epochs(world.network, holder, [each.number for each in TWO])
    assert [len(each) for each in sizes] == [1, 1, 1, 1]
    assert max(size for [size] in sizes) < min(size for [size] in sizes) + 50


def test_one_custodian_feeds_no_grant_an_old_or_a_forged_epoch(world: World) -> None:
    holder = world.claimed(compartments=ONE)
    statement, thief = own_statement(holder)[0], SealingKey.random()
    first = newest_epochs(world.network, statement, [NUMBER])[NUMBER].record.encode()
    begin_epochs(world.network, holder, [NUMBER])
    number = newest_epochs(world.network, statement, [NUMBER])[NUMBER].statement.number
    forged = replace(
        EpochStatement.decode(EpochRecord.decode(first).statement.body), number=99, public_key=thief.public
    )
    signed = sign(forged, SigningKey.random(), world.ledger.deployment)
    honest = world.links[statement.custodians[0]]
    for lie in (first, replace(EpochRecord.decode(first), statement=signed).encode(), b"nonsense"):

        def told(answer: bytes, lie: bytes = lie) -> bytes:
            said = AliasAnswer.decode(answer)
            return replace(said, newest=(NewestEpoch(NUMBER, 100, lie),)).encode()

        world.links[statement.custodians[0]] = LyingLink(honest, {"alias": told})
        newest = newest_epochs(world.network, statement, [NUMBER])[NUMBER]
        assert (newest.statement.number, newest.lacking) == (number, statement.custodians[:1])
    away(world, holder, 3, 4)
    with pytest.raises(NotEnoughCustodians):
        newest_epochs(world.network, statement, [NUMBER])


def test_a_custodian_that_has_the_newest_epoch_but_not_those_before_is_told_them(world: World) -> None:
    holder = world.claimed(compartments=ONE)
    gone = away(world, holder, 0)
    begin_epochs(world.network, holder, [NUMBER])
    begin_epochs(world.network, holder, [NUMBER])
    world.links.update(gone)
    [number] = gone
    journal = world.directories[number].journal
    mine = version({"resourceType": "Condition", "code": {"text": "mine"}}, source="patient-reported")
    world.put(world.own_writer(holder), holder.alias, mine)
    assert [each.number for each in journal.epochs(holder.alias, NUMBER)] == [0, 1, 3]
    begin_epochs(world.network, holder, [NUMBER])
    assert [each.number for each in journal.epochs(holder.alias, NUMBER)] == [0, 1, 2, 3, 4]


# Claims ------------------------------------------------------------------------------------------


def test_after_a_claim_the_patient_reads_from_before_and_the_registrars_keys_do_nothing(world: World) -> None:
    old = world.patient(compartments=ONE)
    world.put(world.writer(), old.alias, condition(world.doctor))
    statement = own_statement(old)[0]
    before = by_registrar(world.network, world.session(), old, statement, ONE)
    assert len(retrieve(world.network, before, statement, ONE).records) == 1
    mine = world.claim(old).holder
    assert texts(world.read_own(mine)) == ["asthma"]
    facts = world.ledger.fresh_head().alias(old.alias)
    assert facts is not None
    assert facts.kind is ControllerKind.SELF
    assert facts.controller == mine.controller.address != old.controller.address
    with pytest.raises(AccessRefused):
        retrieve(world.network, before, statement, ONE)
    with pytest.raises(WritingRefused):
        world.put(world.writer(), old.alias, condition(world.doctor, "gout"))
    assert kept_aliases(world.hospital) == []
    with pytest.raises(PatientNotFound):
        kept_holder(world.hospital, old.alias)


def test_the_old_epoch_keys_open_nothing_that_comes_after_the_claim(world: World) -> None:
    old = world.patient(compartments=ONE)
    world.put(world.writer(), old.alias, condition(world.doctor))
    known = open_epochs(world.network, old, own_statement(old)[0], NUMBER)
    mine = world.claim(old).holder
    consent = world.grant(mine, world.doctor, permissions=(APPEND,))
    world.put(world.writer(world.doctor, Ground.APPEND, consent), mine.alias, condition(world.doctor, "gout"))
    epochs = [record.found.statement.epoch for record in world.read_own(mine).records]
    assert [epoch in known for epoch in epochs] == [True, False]
    newest, record = epoch_chain(world.network, world.statement(mine.alias), NUMBER)[0]
    assert SealingKey(known[max(known)]).public != newest.public_key
    with pytest.raises(CannotOpen):
        open_epochs(world.network, replace(old, state=old.state), own_statement(mine)[0], NUMBER)
    assert record.previous_seed is not None


def test_a_claim_hands_over_what_only_the_registrar_had(world: World) -> None:
    old = world.patient(compartments=ONE)
    begin_epochs(world.network, old, [NUMBER])
    done = world.claim(old)
    assert [(key.compartment, key.number) for key in done.handover.keys if key.compartment == NUMBER] == [
        (NUMBER, 0),
        (NUMBER, 1),
    ]
    assert done.handover.audit_seed == old.audit_seed.reveal()
    assert done.holder.audit_seed != old.audit_seed
    assert (old.state.claim, done.holder.state.claim) == (0, 1)
    statement = world.statement(old.alias)
    assert (statement.number, statement.claim) == (1, 1)
    assert statement.sealing_key == done.holder.sealing.public


def test_a_claimed_record_is_not_claimed_again_by_anybody(world: World) -> None:
    old = world.patient(compartments=ONE)
    mine = world.claim(old).holder
    with pytest.raises(PatientNotFound):
        claim(world.network, world.hospital, old.alias, Phrase.random(), MemoryBooks())
    with pytest.raises(PatientNotFound):
        claim(world.network, world.clinic, old.alias, Phrase.random(), MemoryBooks())
    facts = world.ledger.fresh_head().alias(old.alias)
    assert facts is not None
    assert facts.controller == mine.controller.address


def test_a_registrar_that_kept_a_copy_of_the_keys_cannot_give_them_to_a_second_person(world: World) -> None:
    old = world.patient(compartments=ONE)
    kept = {kind: world.hospital.books.rows(kind) for kind in ("phrase", "holder", "alias-statement")}
    mine = world.claim(old).holder
    for kind, rows in kept.items():
        world.hospital.books.put(kind, rows)
    with pytest.raises((NotTheController, CannotOpen)):
        claim(world.network, world.hospital, old.alias, Phrase.random(), MemoryBooks())
    assert world.read_own(mine).complete


def test_the_agent_comes_back_from_its_phrase_and_books(world: World) -> None:
    old, phrase, books = world.patient(compartments=ONE), Phrase.random(), MemoryBooks()
    world.put(world.writer(), old.alias, condition(world.doctor))
    claim(world.network, world.hospital, old.alias, phrase, books)
    again = load_holder(Phrase.from_words(phrase.words()), old.alias, books)
    assert texts(world.read_own(again)) == ["asthma"]
    with pytest.raises(PatientNotFound):
        load_holder(phrase, bytes(32), books)
    other: Any = load_holder(Phrase.random(), old.alias, books)
    with pytest.raises(CannotOpen):
        world.read_own(other)


def test_a_record_of_ones_own_is_deposited_after_the_claim_and_not_before(world: World) -> None:
    old = world.patient(compartments=ONE)
    own = version({"resourceType": "Condition", "code": {"text": "mine"}}, source="patient-reported")
    stranger = Holder(Phrase.random().keys(), old.state, MemoryBooks())
    with pytest.raises(NotEnoughCustodians):  # none of them takes the signature
        world.put(world.own_writer(stranger), old.alias, own)
    mine = world.claim(old).holder
    world.put(world.own_writer(mine), old.alias, own)
    assert texts(world.read_own(mine)) == ["mine"]
