"""What an emergency can open: escrow is the patient's choice, and restricted records are in it only where named."""

from __future__ import annotations

from careledger.domain.errors import CareLedgerError
from careledger.formats.patients import AliasStatement
from careledger.workflows import register
from careledger.workflows.break_glass import emergency_access, open_emergency
from careledger.workflows.epochs import own_statement
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.retrieve import retrieve
from careledger.workflows.turn_epochs import name_for_emergencies
from world import DIAGNOSIS, GUARDED, World, condition, version

TWO = (DIAGNOSIS, GUARDED)


def guarded(world: World, code: str) -> NewVersion:
    return version({"resourceType": "Condition", "code": {"text": code}}, GUARDED, world.doctor)


def opened_in_an_emergency(world: World, alias: bytes, statement: AliasStatement) -> int:
    """How many records the doctor opens after breaking the glass for both compartments."""
    emergency = open_emergency(
        world.network, world.doctor, world.nurse, alias, "unconscious", restricted=[GUARDED]
    )
    access = emergency_access(world.session(world.doctor), emergency)
    try:
        return len(retrieve(world.network, access, statement, TWO).records)
    except CareLedgerError:
        return 0


def test_restricted_records_open_in_an_emergency_only_where_the_patient_named_them(world: World) -> None:
    holder = world.patient(compartments=TWO)
    world.put(world.writer(), holder.alias, condition(world.doctor), guarded(world, "hiv"))
    statement, _ = own_statement(holder)
    assert opened_in_an_emergency(world, holder.alias, statement) == 1
    name_for_emergencies(world.network, holder, [GUARDED.number])
    world.put(world.writer(), holder.alias, guarded(world, "abuse"))
    assert opened_in_an_emergency(world, holder.alias, statement) == 2


def test_nothing_opens_in_an_emergency_for_a_patient_who_opted_out(world: World) -> None:
    numbers = [DIAGNOSIS.number]
    holder = register.patient(world.network, world.hospital, escrow=False, compartments=numbers)
    world.put(world.writer(), holder.alias, condition(world.doctor))
    assert opened_in_an_emergency(world, holder.alias, own_statement(holder)[0]) == 0
