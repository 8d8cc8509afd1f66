"""What is done to a record after it was deposited: amended, retracted, moved, ordered about, erased, read back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.adapters.custody.hostile import LyingLink
from careledger.domain.errors import (
    AccessRefused,
    NotEnoughCustodians,
    PatientNotFound,
    RecordNotFound,
    RequestRefused,
    WritingRefused,
)
from careledger.domain.records import Ground
from careledger.workflows.actors import Holder
from careledger.workflows.amend import amend, cosign
from careledger.workflows.chart import copies, read_back
from careledger.workflows.deposit import SHARED
from careledger.workflows.epochs import own_statement
from careledger.workflows.erase import all_versions, conclude, erase
from careledger.workflows.move import move
from careledger.workflows.note import clinical_note
from careledger.workflows.order import (
    ACCEPT,
    CONFIRM,
    DISPUTE,
    MOVE,
    RESTRICT,
    UNRESTRICT,
    UNTOLD,
    order,
    repeat_orders,
)
from careledger.workflows.retract import retract
from careledger.workflows.retrieve import Record, forks, newest
from careledger.workflows.signing import signed_by
from world import AMEND, APPEND, DIAGNOSIS, VIEW, World, condition, texts, version

ONE = (DIAGNOSIS,)


def with_record(world: World, *codes: str) -> tuple[Holder, list[Record]]:
    """An unclaimed patient of the hospital with these diagnoses."""
    holder = world.patient(compartments=ONE)
    for code in codes or ("asthma",):
        world.put(world.writer(), holder.alias, condition(world.doctor, code))
    return holder, list(world.read_as_registrar(holder).records)


def amended(world: World, holder: Holder, before: Record, code: str) -> None:
    amend(world.network, world.writer(), own_statement(holder)[0], before, condition(world.doctor, code))


def current(world: World, holder: Holder) -> list[str]:
    read = world.read_as_registrar(holder)
    return texts(replace(read, records=tuple(newest(read.records))))


# Amending ----------------------------------------------------------------------------------------


def test_an_amended_record_keeps_every_version_and_shows_the_newest(world: World) -> None:
    holder, [first] = with_record(world)
    amended(world, holder, first, "severe asthma")
    read = world.read_as_registrar(holder)
    assert texts(read) == ["asthma", "severe asthma"]
    second = read.records[1].manifest
    assert (second.version, second.predecessor) == (2, first.handle)
    assert second.record_id == first.manifest.record_id
    assert read.records[0].found.row.header != read.records[1].found.row.header
    assert current(world, holder) == ["severe asthma"]
    assert forks(read.records) == []


def test_the_newest_version_is_shown_where_one_between_was_retracted(world: World) -> None:
    holder, [first] = with_record(world)
    amended(world, holder, first, "wrong")
    second = world.read_as_registrar(holder).records[1]
    amended(world, holder, second, "right")
    retract(world.network, world.writer(), own_statement(holder)[0], [second.handle])
    assert texts(world.read_as_registrar(holder)) == ["asthma", "right"]
    assert current(world, holder) == ["right"]


def test_a_distrusted_version_takes_no_trusted_ones_place(world: World) -> None:
    holder, [first] = with_record(world)
    amended(world, holder, first, "severe asthma")
    first, second = world.read_as_registrar(holder).records
    forged = replace(second, distrust="not signed by its author")
    assert newest([first, forged]) == [first]
    assert newest([forged, second]) == [second]
    assert newest([forged]) == [forged]
    assert forks([first, forged, second]) == [forged]


def test_a_cosigned_record_is_the_same_content_signed(world: World) -> None:
    holder = world.patient(compartments=ONE)
    imported = version({"resourceType": "Condition", "code": {"text": "old"}}, source="imported")
    world.put(world.writer(), holder.alias, imported)
    [before] = world.read_as_registrar(holder).records
    statement, doctor = own_statement(holder)[0], world.doctor
    cosign(world.network, world.writer(), statement, before, doctor.number, doctor.key)
    [_, after] = world.read_as_registrar(holder).records
    assert (before.manifest.source, after.manifest.source, after.distrust) == ("imported", "signed", "")
    assert after.body == before.body
    nurse = world.nurse
    with pytest.raises(WritingRefused):
        cosign(world.network, world.writer(nurse), statement, after, nurse.number, nurse.key)


def test_a_doctors_note_is_signed_and_a_nurses_diagnosis_is_refused(world: World) -> None:
    holder = world.patient(compartments=ONE)
    statement, network = own_statement(holder)[0], world.network
    clinical_note(network, world.writer(), statement, world.doctor, "Condition", "gout", "2026-05-04")
    writer = world.writer(world.nurse)
    with pytest.raises(WritingRefused):
        clinical_note(network, writer, statement, world.nurse, "Condition", "asthma", "2026-05-04")
    [record] = world.read_as_registrar(holder).records
    assert texts(world.read_as_registrar(holder)) == ["gout"]
    assert (record.manifest.author, record.distrust) == (world.doctor.number, "")
    assert signed_by(condition(world.nurse), world.doctor).author == world.doctor.number


# Retracting and moving ---------------------------------------------------------------------------


def test_what_its_depositor_retracted_is_hidden_and_nobody_else_retracts_it(world: World) -> None:
    holder, [wrong, right] = with_record(world, "asthma", "gout")
    statement = own_statement(holder)[0]
    with pytest.raises(WritingRefused):
        retract(world.network, world.writer(world.outsider), statement, [wrong.handle])
    assert texts(world.read_as_registrar(holder)) == ["asthma", "gout"]
    assert len(retract(world.network, world.writer(), statement, [wrong.handle])) == 5
    assert texts(world.read_as_registrar(holder)) == ["gout"]
    mine = world.claim(holder).holder
    assert [sorted(each.found.states) for each in world.read_own(mine).records] == [["retracted"], ["kept"]]
    assert right.handle in {each.handle for each in world.read_own(mine).records}


def test_a_retraction_counts_with_n_custodians_and_not_with_fewer(world: World) -> None:
    holder, [record] = with_record(world)
    statement = own_statement(holder)[0]
    gone = {number: world.links.pop(number) for number in statement.custodians[:3]}
    with pytest.raises(NotEnoughCustodians):
        retract(world.network, world.writer(), statement, [record.handle])
    world.links.update(gone)
    world.links.pop(statement.custodians[4])
    assert len(retract(world.network, world.writer(), statement, [record.handle])) == 4


def test_a_record_of_the_wrong_person_is_filed_on_the_right_one_and_gone_here(world: World) -> None:
    wrong, [record] = with_record(world)
    right = world.patient(compartments=ONE)
    before, after = own_statement(wrong)[0], own_statement(right)[0]
    writer = world.writer()
    with pytest.raises(WritingRefused, match="another author"):
        move(world.network, writer, before, writer, after, [record], "the right person")
    moved = move(world.network, writer, before, writer, after, [record], "the right person", world.doctor)
    assert texts(world.read_as_registrar(wrong)) == []
    [there] = world.read_as_registrar(right).records
    assert (there.handle, there.distrust) == (moved.successor, "")
    assert (there.manifest.subject, there.manifest.alias) == ("the right person", right.alias)
    again = move(world.network, writer, before, writer, after, [record], "the right person", world.doctor)
    assert (again.successor, again.deposited[0].handles) == (moved.successor, {})
    assert len(world.read_as_registrar(right).records) == 1


def test_all_versions_of_a_record_move_in_their_order_and_each_is_retracted(world: World) -> None:
    wrong, right = world.patient(compartments=ONE), world.patient(compartments=ONE)
    imported = version({"resourceType": "Condition", "code": {"text": "old"}}, source="imported")
    here, there, writer = own_statement(wrong)[0], own_statement(right)[0], world.writer()
    world.put(writer, wrong.alias, imported, condition(world.doctor, "gout"))
    first, other = world.read_as_registrar(wrong).records
    cosign(world.network, writer, here, first, world.doctor.number, world.doctor.key)
    adopted = next(each for each in world.read_as_registrar(wrong).records if each.manifest.version == 2)
    amend(world.network, writer, here, adopted, condition(world.doctor, "newer"))
    versions = [each for each in world.read_as_registrar(wrong).records if each.handle != other.handle]
    assert [each.manifest.version for each in versions] == [1, 2, 3]
    for wrongly, signs, why in (
        ([*versions, other], world.doctor, "not the versions of one record"),
        (versions, None, "another author"),
        (versions, world.nurse, "another author"),
    ):
        with pytest.raises(WritingRefused, match=why):
            move(world.network, writer, here, writer, there, wrongly, "the right person", signs)
    stranger = world.writer(world.outsider)
    with pytest.raises(WritingRefused, match="another organisation"):
        move(world.network, stranger, here, stranger, there, versions, "the right person", world.doctor)
    assert world.read_as_registrar(right).records == ()
    for _ in range(2):
        moved = move(
            world.network, writer, here, writer, there, versions[::-1], "the right person", world.doctor
        )
    filed = world.read_as_registrar(right).records
    assert [(each.manifest.version, each.manifest.author) for each in filed] == [
        (1, 0),
        (2, world.doctor.number),
        (3, world.doctor.number),
    ]
    assert [each.manifest.predecessor for each in filed] == [None, filed[0].handle, filed[1].handle]
    assert {each.distrust for each in filed} == {""}
    assert [each.handle for each in newest(filed)] == [moved.successor]
    assert [each.body.canonical for each in filed] == [each.body.canonical for each in versions]
    assert [each.handle for each in world.read_as_registrar(wrong).records] == [other.handle]


def test_an_imported_record_is_moved_unsigned(world: World) -> None:
    wrong, right = world.patient(compartments=ONE), world.patient(compartments=ONE)
    imported = version({"resourceType": "Condition", "code": {"text": "old"}}, source="imported")
    world.put(world.writer(), wrong.alias, imported)
    [record] = world.read_as_registrar(wrong).records
    writer, statement = world.writer(), own_statement(right)[0]
    with pytest.raises(WritingRefused):
        move(world.network, writer, own_statement(wrong)[0], writer, statement, [record], "", world.doctor)
    move(world.network, writer, own_statement(wrong)[0], writer, statement, [record], "")
    assert (texts(world.read_as_registrar(wrong)), texts(world.read_as_registrar(right))) == ([], ["old"])


# Orders ------------------------------------------------------------------------------------------


def read_by_the_outsider(world: World, mine: Holder) -> list[str]:
    return texts(world.read_by_consent(world.outsider, mine.alias))


def test_restricting_confirming_and_disputing_change_what_others_see(world: World) -> None:
    holder, [record, _] = with_record(world, "asthma", "gout")
    world.grant(holder, world.outsider)
    assert read_by_the_outsider(world, holder) == ["asthma", "gout"]
    assert len(order(world.network, holder, RESTRICT, [record.handle], "by-wish")) == 5
    assert read_by_the_outsider(world, holder) == ["gout"]
    order(world.network, holder, UNRESTRICT, [record.handle], "by-wish")
    for act, mark in ((CONFIRM, "confirmed"), (DISPUTE, "disputed")):
        order(world.network, holder, act, [record.handle], "by-wish")
        marked = world.read_by_consent(world.outsider, holder.alias).records[0]
        assert marked.found.marks == {mark}
    order(world.network, holder, MOVE, [record.handle], "other-person")
    assert read_by_the_outsider(world, holder) == ["gout"]
    assert list(holder.books.rows(UNTOLD)) == []


def test_an_unasked_version_is_kept_apart_until_it_is_accepted(world: World) -> None:
    mine = world.claim(with_record(world)[0]).holder
    world.grant(mine, world.nurse, permissions=(VIEW,))
    world.put(world.writer(world.outsider, Ground.UNASKED), mine.alias, condition(world.outsider, "gout"))
    assert texts(world.read_by_consent(world.nurse, mine.alias)) == ["asthma"]
    unasked = world.read_own(mine).records[1]
    order(world.network, mine, ACCEPT, [unasked.handle], "by-wish")
    assert texts(world.read_by_consent(world.nurse, mine.alias)) == ["asthma", "gout"]


def test_an_order_that_some_missed_is_told_again_until_all_have_it(world: World) -> None:
    holder, [record] = with_record(world)
    other, _ = with_record(world)
    listed = own_statement(holder)[0].custodians
    gone = {number: world.links.pop(number) for number in listed[:3]}
    with pytest.raises(NotEnoughCustodians):
        order(world.network, holder, RESTRICT, [record.handle], "by-wish")
    assert repeat_orders(world.network, holder) == 3
    world.clock.advance(7200)
    world.links.update(gone)
    assert (repeat_orders(world.network, other), repeat_orders(world.network, holder)) == (0, 0)
    states = [world.directories[number].rows.version(holder.alias, record.handle).state for number in listed]  # type: ignore[union-attr]
    assert states == ["restricted"] * 5


def refusing(world: World, number: int, error: Exception) -> None:
    def refuse(answer: bytes) -> bytes:
        raise error

    world.links[number] = LyingLink(world.links[number], {"order": refuse})


@pytest.mark.parametrize("error", [PatientNotFound(), RecordNotFound()])
def test_one_custodian_that_refuses_keeps_the_others_from_nothing(world: World, error: Exception) -> None:
    holder, [record] = with_record(world)
    world.grant(holder, world.outsider)
    refusing(world, own_statement(holder)[0].custodians[0], error)
    assert len(order(world.network, holder, RESTRICT, [record.handle], "by-wish")) == 4
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.outsider, holder.alias, handles=[record.handle])
    assert repeat_orders(world.network, holder) == 1


def test_an_order_about_anothers_record_changes_nothing_and_is_told_to_nobody_again(world: World) -> None:
    holder, _ = with_record(world)
    other, [theirs] = with_record(world)
    with pytest.raises(RecordNotFound):
        order(world.network, holder, RESTRICT, [theirs.handle], "by-wish")
    assert list(holder.books.rows(UNTOLD)) == []
    assert texts(world.read_as_registrar(other)) == ["asthma"]


# Erasing and the chart ---------------------------------------------------------------------------


def test_an_erased_record_is_gone_for_everybody_but_its_author(world: World) -> None:
    holder, [first, _] = with_record(world, "asthma", "gout")
    amended(world, holder, first, "severe asthma")
    holder = world.claim(holder).holder
    statement, view = own_statement(holder)[0], world.ledger.fresh_head()
    versions = all_versions(world.read_own(holder).records, first.manifest.record_id)
    assert len(versions) == 2
    leaves = [each.found.leaf for each in versions]
    assert not any(conclude(view, leaf, statement.custodians, 2).erased for leaf in leaves)
    erase(world.network, holder, versions, "by-wish")
    assert texts(world.read_own(holder)) == ["gout"]
    view = world.ledger.fresh_head()
    concluded = [conclude(view, leaf, statement.custodians, 2) for leaf in leaves]
    assert [(each.erased, each.remaining) for each in concluded] == [(True, frozenset())] * 2
    assert not set(world.blocks.pinned(SHARED)) & {each.found.row.body for each in versions}
    world.blocks.collect()
    chart = [read_back(world.network, world.hospital, each.handle).body for each in versions]
    assert chart == [each.body for each in versions]
    assert len(copies(world.hospital, holder.alias)) == 3
    with pytest.raises(RecordNotFound):
        read_back(world.network, world.clinic, first.handle)


def test_an_erasure_is_concluded_only_when_fewer_than_t_may_hold_a_share(world: World) -> None:
    unclaimed, [record] = with_record(world)
    holder = world.claim(unclaimed).holder
    listed = own_statement(holder)[0].custodians
    gone = {number: world.links.pop(number) for number in listed[:2]}
    erase(world.network, holder, [record], "by-wish")
    early = conclude(world.ledger.fresh_head(), record.found.leaf, listed, 2)
    assert (early.erased, early.remaining) == (False, frozenset(listed[:2]))
    world.links[listed[0]] = gone[listed[0]]
    assert repeat_orders(world.network, holder) == 1
    late = conclude(world.ledger.fresh_head(), record.found.leaf, listed, 2)
    assert (late.erased, late.remaining) == (True, frozenset(listed[1:2]))
    strangers: Any = conclude(world.ledger.fresh_head(), record.found.leaf, [4711], 2)
    assert not strangers.erased


def test_the_same_record_deposited_again_after_an_erasure_stays_erased(world: World) -> None:
    holder = world.patient(compartments=ONE)
    made = condition(world.doctor)
    first = world.put(world.writer(), holder.alias, made)
    mine = world.claim(holder).holder
    erase(world.network, mine, world.read_own(mine).records, "by-wish")
    again = world.put(world.writer(), holder.alias, made)
    assert again.known == first.handles
    assert texts(world.read_own(mine)) == []


def test_a_registrar_alone_erases_nothing_of_a_patient_who_has_not_claimed(world: World) -> None:
    holder, [record] = with_record(world)
    with pytest.raises(RequestRefused, match="unclaimed"):
        erase(world.network, holder, [record], "by-mistake")
    assert current(world, holder) == ["asthma"]
    mine = world.claim(holder).holder
    erase(world.network, mine, world.read_own(mine).records, "by-wish")
    assert texts(world.read_own(mine)) == []


def test_another_organisation_amends_only_with_the_patients_consent(world: World) -> None:
    mine = world.claim(with_record(world)[0]).holder
    [first] = world.read_own(mine).records
    statement = own_statement(mine)[0]
    made = condition(world.outsider, "no asthma")
    for permissions, allowed in (((VIEW, APPEND), False), ((VIEW, AMEND), True)):
        consent = world.grant(mine, world.outsider, permissions=permissions)
        writer = world.writer(world.outsider, Ground.APPEND, consent)
        if allowed:
            amend(world.network, writer, statement, first, made)
            continue
        with pytest.raises(WritingRefused):
            amend(world.network, writer, statement, first, made)
    assert texts(world.read_own(mine)) == ["asthma", "no asthma"]
