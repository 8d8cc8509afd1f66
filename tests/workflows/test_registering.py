"""A patient's alias is there at once, the registration a random time later; nothing on the ledger joins the two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from careledger.adapters.evm.contract import Contract
from careledger.adapters.evm.ledger import EvmLedger
from careledger.domain.errors import NotEnoughCustodians
from careledger.domain.parties import ControllerKind
from careledger.domain.relaying import REGISTRATION_SPREAD
from careledger.formats.persons import BegunPatient
from careledger.formats.signatures import SigningKey
from careledger.workflows import parties, register
from careledger.workflows.actors import Holder
from careledger.workflows.end_registration import end_registration
from careledger.workflows.identity_index import rows_near
from careledger.workflows.identity_rows import NOBODY, Identity
from careledger.workflows.network import Network
from careledger.workflows.register import BEGUN, IDENTITY, UNENTERED, kept_aliases
from careledger.workflows.tend_gateway import tend_gateway
from crashing import Trial, crash_everywhere, die
from world import DIAGNOSIS, World, condition, texts

NUMBERS = (DIAGNOSIS.number,)
HOUR = 3_600


def told(world: World, contract: str, event: str) -> list[tuple[int, bytes]]:
    """When each of these events happened and what it names: what everybody sees on the ledger."""
    ledger = world.ledger
    assert isinstance(ledger, EvmLedger)
    node, head = ledger._node, ledger.fresh_head().head.number
    spoken = Contract.at(ledger.contract(contract), {"Registry": "Records"}.get(contract, contract))
    return [
        (node.block(each.found.block).time, _named(each.event.fields))
        for each in spoken.history(node, 0, head, event)
    ]


def _named(fields: dict[str, Any]) -> bytes:
    patient = fields.get("patient")
    return (patient >> 64).to_bytes(16, "big") if isinstance(patient, int) else bytes(fields["name"])


def aliases(world: World) -> list[tuple[int, bytes]]:
    return told(world, "Aliases", "AliasOpenedV1")


def registrations(world: World) -> list[tuple[int, bytes]]:
    return told(world, "Registry", "PatientRegisteredV1")


def registration_of(world: World, alias: bytes) -> bytes:
    row = world.hospital.books.get(IDENTITY, alias)
    assert row is not None
    return Identity.decode(row).registration


def later(world: World) -> None:
    world.clock.advance(REGISTRATION_SPREAD + 1)


def test_a_patient_is_registered_used_and_claimed_before_the_registration_is_entered(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    mine = world.claim(holder).holder
    assert texts(world.read_own(mine)) == ["asthma"]
    assert registrations(world) == []
    later(world)
    assert tend_gateway(world.network, world.hospital).registrations == 0
    assert [named for _, named in registrations(world)] == [registration_of(world, holder.alias)]
    tend_gateway(world.network, world.hospital)
    assert len(registrations(world)) == 1


def test_a_patient_whom_another_process_registers_meanwhile_has_the_keys_that_it_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alias, get, there = b"a" * 32, type(world.hospital.books).get, list[Holder]()

    def meanwhile(books: Any, kind: str, key: bytes) -> bytes | None:
        """What was read, after which the other process registers the same patient."""
        found: bytes | None = get(books, kind, key)
        if kind == IDENTITY and found is None and not there:
            monkeypatch.undo()
            there.append(register.patient(world.network, world.hospital, BORN, alias=alias))
        return found

    monkeypatch.setattr(type(world.hospital.books), "get", meanwhile)
    made = register.patient(world.network, world.hospital, BORN, alias=alias)
    assert [made.controller.address] == [each.controller.address for each in there]
    assert kept_aliases(world.hospital) == [alias]
    world.put(world.writer(), alias, condition(world.doctor))
    assert texts(world.read_own(world.claim(made).holder)) == ["asthma"]


def test_a_registration_waits_for_its_own_time_and_no_longer(world: World) -> None:
    for _ in range(8):
        world.patient(compartments=())
    due = sorted(int.from_bytes(row, "big") for _, row in world.hospital.books.rows(UNENTERED))
    begun = world.clock.now()
    assert begun - 60 <= due[0] < due[-1] <= begun + REGISTRATION_SPREAD
    world.clock.advance(due[3] - begun)
    assert tend_gateway(world.network, world.hospital).registrations == 4
    assert len(registrations(world)) == 4


def matched(world: World, network: Network, patients: int) -> tuple[int, int]:
    """Patients every three hours, the gateway tending in between; how many pairs two observers name rightly.

    One pairs by order, the other takes for each registration the alias that was opened last before it.
    """
    for _ in range(patients):
        register.patient(network, world.hospital, compartments=())
        tend_gateway(network, world.hospital)
        world.clock.advance(3 * HOUR)
    for _ in range(REGISTRATION_SPREAD // HOUR // 3 + 1):
        world.clock.advance(3 * HOUR)
        tend_gateway(network, world.hospital)
    opened, entered = aliases(world), registrations(world)
    assert len(opened) == len(entered) == patients
    pairs = {(alias, registration_of(world, alias)) for _, alias in opened}
    by_order = {(alias, number) for (_, alias), (_, number) in zip(opened, entered, strict=True)}
    latest = {([alias for at, alias in opened if at <= when][-1], number) for when, number in entered}
    return len(pairs & by_order), len(pairs & latest)


def test_order_and_time_on_the_ledger_join_no_registration_with_its_alias(world: World) -> None:
    by_order, by_time = matched(world, world.network, 40)
    assert max(by_order, by_time) < 20  # chance names a few of the 40


def test_without_the_delay_order_and_time_join_every_registration_with_its_alias(world: World) -> None:
    """The same observers: so the test above can fail."""
    assert matched(world, replace(world.network, registration_spread=0), 12) == (12, 12)


BORN = replace(NOBODY, birth="1988-04-07")


def test_registering_that_crashed_anywhere_is_finished_or_was_never_begun(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        crashing = trial.organisation(world.hospital)
        before = {alias for _, alias in aliases(world)}
        die(trial, lambda: register.patient(trial.network, crashing, BORN, compartments=NUMBERS))

        def finish() -> None:
            assert tend_gateway(world.network, world.hospital).patients == 0
            made = {alias for _, alias in aliases(world)} - before
            assert made <= set(kept_aliases(world.hospital))
            assert len(made) <= 1
            for alias in made:
                assert usable(world, alias)
            assert set(kept_aliases(world.hospital)) == {alias for _, alias in aliases(world)}
            later(world)
            assert tend_gateway(world.network, world.hospital).registrations == 0
            numbers = {number for _, number in registrations(world)}
            assert numbers == {registration_of(world, alias) for _, alias in aliases(world)}
            assert list(world.hospital.books.rows(BEGUN)) == []

        return finish

    assert crash_everywhere(world, attempt) == 15
    made = {row.alias for row in rows_near(world.hospital, [BORN])}
    assert made
    assert made <= set(kept_aliases(world.hospital))


def usable(world: World, alias: bytes) -> bool:
    world.put(world.writer(), alias, condition(world.doctor))
    holder = register.kept_holder(world.hospital, alias)
    return texts(world.read_as_registrar(holder)) == ["asthma"]


def test_entering_that_crashed_anywhere_is_repeated_and_enters_once(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        world.patient(compartments=())
        later(world)
        before = len(registrations(world))
        die(trial, lambda: tend_gateway(trial.network, trial.organisation(world.hospital)))

        def finish() -> None:
            assert tend_gateway(world.network, world.hospital).registrations == 0
            assert len(registrations(world)) == before + 1

        return finish

    assert crash_everywhere(world, attempt) == 2


def test_what_custodians_missed_at_registering_is_finished_when_they_are_back(world: World) -> None:
    away = {number: world.links.pop(number) for number in (1, 2, 3)}
    with pytest.raises(NotEnoughCustodians):
        world.patient(compartments=(DIAGNOSIS,))
    assert tend_gateway(world.network, world.hospital).patients == 1
    world.links.update(away)
    assert tend_gateway(world.network, world.hospital).patients == 0
    assert usable(world, kept_aliases(world.hospital)[0])


def test_a_registration_that_ended_before_it_was_entered_is_never_entered(world: World) -> None:
    holder = world.patient(compartments=())
    end_registration(world.network, world.hospital, holder.alias)
    later(world)
    assert tend_gateway(world.network, world.hospital).registrations == 0
    assert registrations(world) == []
    end_registration(world.network, world.hospital, holder.alias)
    assert registrations(world) == []


def test_a_registration_that_a_crash_left_entered_ends_for_good(world: World) -> None:
    holder = world.patient(compartments=())
    number = registration_of(world, holder.alias)
    world.ledger.register_patient(number, world.hospital.number, world.hospital.controller)
    end_registration(world.network, world.hospital, holder.alias)
    later(world)
    assert tend_gateway(world.network, world.hospital).registrations == 0
    end_registration(world.network, world.hospital, holder.alias)
    assert len(registrations(world)) == 1


def test_a_stranger_and_a_suspended_registrar_enter_nothing_and_it_is_entered_afterwards(
    world: World,
) -> None:
    world.patient(compartments=())
    later(world)
    stranger = replace(world.hospital, controller=SigningKey.random())
    assert tend_gateway(world.network, stranger).registrations == 1
    parties.suspend(world.network, world.officers[0], world.hospital.number)
    assert tend_gateway(world.network, world.hospital).registrations == 1
    assert registrations(world) == []
    parties.reinstate(world.network, world.officers[0], world.hospital.number)
    assert tend_gateway(world.network, world.hospital).registrations == 0
    assert len(registrations(world)) == 1


def test_a_patient_claimed_before_its_epochs_were_finished_is_not_taken_back(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    begun = BegunPatient(bytes(16), 0, (1, 2, 3, 4, 5), bytes(32), True, NUMBERS)
    mine = world.claim(holder).holder
    world.hospital.books.put(BEGUN, [(holder.alias, begun.encode())])
    assert tend_gateway(world.network, world.hospital).patients == 0
    facts = world.ledger.fresh_head().alias(mine.alias)
    assert facts is not None
    assert facts.kind is ControllerKind.SELF


@pytest.fixture(autouse=True)
def nothing_waits_forever(world: World) -> Iterator[None]:
    """Whatever a test does, tending a week later leaves nothing of the hospital's open."""
    yield
    later(world)
    done = tend_gateway(world.network, world.hospital)
    assert (done.patients, done.registrations) == (0, 0)
