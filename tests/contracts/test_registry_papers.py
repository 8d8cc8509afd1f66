"""Every function of the two source papers' contracts is called as docs/ledger.md maps it onto ours.

"Blockchain-Based Healthcare Records Management Framework" has six functions and two counts, "HealthChain" ten
functions.
"""

from __future__ import annotations

import pytest

from careledger.domain.categories import Category
from careledger.domain.matrix import VERSION_2
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.formats.ledger_messages import OpenAlias
from careledger.formats.ledger_words import AliasWord, PartyWord, patient_of
from contracts.harness import Chain, Contract, Event, key, refused
from contracts.records_world import HOSPITAL, World
from contracts.registry_world import CENTRE, DOCTOR, Consortium, controller, digest, opened, registration
from contracts.registry_world import HOSPITAL as CLINIC

LEAF = digest("a record's leaf")


@pytest.fixture
def world() -> World:
    """A network with direct deposits."""
    return World()


def _deposit(world: World) -> Event:
    world.register(registration(1))
    event: Event
    (event,) = world.deposit(registration(1), 0, LEAF).events
    return event


def test_add_hospital_counts_it_and_remove_hospital_ends_it(net: Consortium) -> None:
    before = net.registry.call("organisation_count")
    added = 0xA1 << 56 | 7
    net.officer("add_organisation", added, controller(added).address, 1 << Role.HOSPITAL)
    net.act(added, "declare", added, *net.declared(added))
    net.officer("verify", added, *net.declared(added))
    assert net.registry.call("organisation_count") == before + 1
    assert net.standing(added) == Status.VERIFIED
    net.officer("remove", added)
    assert net.standing(added) == Status.REMOVED


def test_add_patient_counts_it_for_the_hospital(net: Consortium) -> None:
    (event,) = net.register(1, CLINIC).events
    assert patient_of(event.fields["patient"]) == (CLINIC, registration(1))
    assert net.registry.call("patient_counts", CLINIC) == (1, 1)


def test_add_get_and_remove_patient_record(world: World) -> None:
    event = _deposit(world)
    assert (event.name, event.fields["leaf"]) == ("RecordDepositedV1", LEAF)
    where = event.fields["where"]
    page, index = where & ~0xFF, where & 0xFF
    assert world.records.call("page_word", registration(1), page) & 0xFF == 1
    assert world.leaves.call("deposited", registration(1), page, [LEAF])
    world.records.send(world.key(HOSPITAL), "remove_record", registration(1), where)
    assert world.records.call("page_word", registration(1), page) >> 8 >> index & 1
    with refused("removed"):
        world.records.send(world.key(HOSPITAL), "remove_record", registration(1), where)


def test_add_doctor_and_get_doctor(net: Consortium) -> None:
    added = 0xB1 << 56 | 7
    net.add_post(added, CLINIC)
    assert PartyWord.parse(net.registry.call("party_word", added)).roles == {Role.DOCTOR}
    assert net.registry.call("keys", added) == (digest(f"sealing key {added}"), digest(f"licence {added}"))


def test_add_center_and_get_diagnostic_center(net: Consortium) -> None:
    centre = PartyWord.parse(net.registry.call("party_word", CENTRE))
    assert (centre.roles, centre.status) == (frozenset({Role.CENTRE}), Status.VERIFIED)
    address, roles, status, employer, organisation = net.registry.call("party", CENTRE)
    assert (address, roles) == ("0x" + controller(CENTRE).address.hex(), 1 << Role.CENTRE)
    assert (status, employer, organisation) == (Status.VERIFIED, 0, True)


def test_add_patient_and_get_patient_without_a_name_on_the_ledger(net: Consortium) -> None:
    aliases, patient, alias = net.add("Aliases"), key("patient"), digest("alias")
    net.register(1, CLINIC)
    opened(net, aliases, OpenAlias(alias, patient.address, ControllerKind.SELF, 0, net.soon()), patient)
    assert net.registry.call("registration_word", registration(1)) == CLINIC
    assert AliasWord.parse(aliases.call("alias_word", alias)).controller == patient.address


def test_health_record_store_and_get(world: World) -> None:
    root = digest("root over a bundle")
    world.records.send(world.key(HOSPITAL), "anchor", root, HOSPITAL, 12)
    word = world.records.call("anchor_word", root)
    assert (word & 2**64 - 1, word >> 64 & 2**32 - 1) == (HOSPITAL, 12)


def test_diagnostic_report_store_and_health_report_get(world: World) -> None:
    event = _deposit(world)
    assert world.leaves.call("deposited", registration(1), event.fields["where"] & ~0xFF, [LEAF])
    with refused("category"):
        world.deposit(registration(1), 1, LEAF, category=Category.REPORT)


def test_only_a_doctors_row_writes_prescriptions(chain: Chain, net: Consortium) -> None:
    words = (VERSION_2.read_words, VERSION_2.write_words)
    policy: Contract = chain.deploy("AccessPolicy", net.registry.address, 0, *words)
    writers = [role for role in Role if policy.call("write_cell", role, Category.PRESCRIPTION) == 1]
    assert writers == [Role.DOCTOR, Role.IMPORT]
    assert net.registry.call("party", DOCTOR)[1] >> Role.DOCTOR & 1
