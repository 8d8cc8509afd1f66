"""The reader decides again whether each version might be written, and this answer wins."""

from __future__ import annotations

import pytest

from careledger.domain.categories import Category, Compartment
from careledger.domain.errors import WritingRefused
from careledger.domain.parties import Role
from careledger.domain.records import Ground
from careledger.workflows.actors import Holder
from careledger.workflows.amend import amend
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.retrieve import Record, forks, newest
from world import AMEND, APPEND, DIAGNOSIS, HISTORY, VIEW, World, changed, condition, texts, version

MEASUREMENT = Compartment(Category.MEASUREMENT)
PROCEDURE = {"resourceType": "Procedure", "code": {"text": "x"}}
IMMUNIZATION = {"resourceType": "Immunization", "code": {"text": "x"}}
VITAL = {
    "resourceType": "Observation",
    "code": {"text": "pulse"},
    "category": [{"coding": [{"code": "vital-signs"}]}],
}


def distrust(world: World, holder: Holder, compartment: Compartment) -> list[str]:
    return [each.distrust for each in world.read_as_registrar(holder, (compartment,)).records]


def test_a_registrars_doctor_writes_and_reads_for_an_unclaimed_patient(world: World) -> None:
    holder = world.patient()
    made = world.put(world.writer(), holder.alias, condition(world.doctor))
    read = world.read_as_registrar(holder)
    assert texts(read) == ["asthma"]
    assert [record.distrust for record in read.records] == [""]
    assert not made.thin
    assert read.complete


def test_a_nurse_signs_a_vaccination_but_a_diagnosis_filed_as_a_measurement_is_not_trusted(
    world: World,
) -> None:
    holder = world.patient(compartments=(HISTORY, MEASUREMENT))
    writer = world.writer(world.nurse)
    world.put(writer, holder.alias, version(IMMUNIZATION, HISTORY, world.nurse))
    assert distrust(world, holder, HISTORY) == [""]
    world.put(writer, holder.alias, version({"resourceType": "Condition"}, MEASUREMENT, world.nurse))
    world.put(writer, holder.alias, version(VITAL, MEASUREMENT, world.nurse))
    [first, second] = distrust(world, holder, MEASUREMENT)
    assert "lets others sign this kind" in first
    assert second == ""


def test_a_hospitals_intake_is_trusted_once(world: World) -> None:
    holder = world.patient(compartments=(HISTORY,))
    intake = world.writer(world.nurse, intake=True)
    world.put(intake, holder.alias, version(PROCEDURE, HISTORY, world.nurse))
    later = world.writer(world.nurse)  # a nurse's own row would let a vaccination in, this is the hospital's
    world.put(later, holder.alias, version(PROCEDURE, HISTORY, world.nurse))
    again = world.writer(world.nurse, intake=True)
    world.put(again, holder.alias, version(PROCEDURE, HISTORY, world.nurse))
    [first, second, third] = distrust(world, holder, HISTORY)
    assert first == ""
    assert "one intake is done" in second
    assert "one intake is done" in third


def test_changing_anothers_record_needs_the_patients_consent_to_amend(world: World) -> None:
    mine = world.claimed()
    appending = world.grant(mine, world.doctor, permissions=(VIEW, APPEND))
    world.put(world.writer(world.doctor, Ground.APPEND, appending), mine.alias, condition(world.doctor))
    [before] = world.read_own(mine).records
    made = condition(world.outsider, "not asthma")
    statement = world.statement(mine.alias)
    may_append = world.grant(mine, world.outsider, permissions=(VIEW, APPEND))
    writer = world.writer(world.outsider, Ground.APPEND, may_append)
    with pytest.raises(WritingRefused):
        amend(world.network, writer, statement, before, _resigned(made, before, world))
    may_amend = world.grant(mine, world.outsider, permissions=(VIEW, AMEND))
    writer = world.writer(world.outsider, Ground.APPEND, may_amend)
    amend(world.network, writer, statement, before, _resigned(made, before, world))
    read = world.read_own(mine)
    assert [record.distrust for record in read.records] == ["", ""]
    assert [record.manifest.version for record in newest(read.records)] == [2]


def _resigned(made: NewVersion, before: Record, world: World) -> NewVersion:
    return changed(made, record_id=before.manifest.record_id, author_key=world.outsider.key)


def test_two_versions_after_one_are_a_fork_and_the_first_anchored_wins(world: World) -> None:
    holder = world.patient()
    writer = world.writer()
    world.put(writer, holder.alias, condition(world.doctor))
    [before] = world.read_as_registrar(holder).records
    for code in ("first", "second"):
        amend(world.network, writer, world.statement(holder.alias), before, condition(world.doctor, code))
    read = world.read_as_registrar(holder)
    assert texts(read) == ["asthma", "first", "second"]
    assert [record.body for record in newest(read.records)] == [read.records[1].body]
    assert [record.handle for record in forks(read.records)] == [read.records[2].handle]


def test_a_device_writes_for_the_patient_who_bound_it_and_for_nobody_else(world: World) -> None:
    device = world.staff(world.hospital, 53, Role.DEVICE)
    mine, other = world.claimed(compartments=(MEASUREMENT,)), world.claimed(compartments=(MEASUREMENT,))
    bound = world.grant(mine, device, (MEASUREMENT,), (APPEND,))
    reading = version(VITAL, MEASUREMENT, device, source="device")
    world.put(world.writer(device, Ground.APPEND, bound), mine.alias, reading)
    assert [each.distrust for each in world.read_own(mine, (MEASUREMENT,)).records] == [""]
    with pytest.raises(WritingRefused):
        world.put(world.writer(device, Ground.APPEND, bound), other.alias, reading)
    assert world.read_own(other, (MEASUREMENT,)).records == ()


def test_a_diagnosis_is_read_from_its_own_compartment_only(world: World) -> None:
    holder = world.patient()
    world.put(world.writer(), holder.alias, condition(world.doctor))
    assert len(world.read_as_registrar(holder, (DIAGNOSIS,)).records) == 1
    assert world.read_as_registrar(holder, (HISTORY,)).records == ()
