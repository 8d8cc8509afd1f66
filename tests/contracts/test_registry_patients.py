"""Registrations of patients: random numbers, counted per hospital, ended by the registrar."""

from __future__ import annotations

from careledger.domain.parties import Status
from careledger.formats.ledger_words import PartyWord, patient_of, patient_word
from contracts.harness import refused
from contracts.registry_world import (
    CENTRE,
    DOCTOR,
    HOSPITAL,
    MINISTRY,
    OFFICERS,
    PHARMACY,
    STRANGER,
    Consortium,
    controller,
    registration,
)


def test_a_registration_is_a_number_its_registrar_and_a_count(net: Consortium) -> None:
    sent = net.register(1)
    assert [event.name for event in sent.events] == ["PatientRegisteredV1"]
    assert patient_of(sent.events[0].fields["patient"]) == (HOSPITAL, registration(1))
    net.register(2)
    net.register(3, CENTRE)
    assert net.registry.call("registration_word", registration(1)) == HOSPITAL
    assert net.registry.call("registration_word", registration(3)) == CENTRE
    assert net.registry.call("patient_counts", HOSPITAL) == (2, 2)
    assert net.registry.call("patient_counts", CENTRE) == (1, 1)


def test_counting_changes_nothing_else_of_the_word(net: Consortium) -> None:
    before = PartyWord.parse(net.registry.call("party_word", HOSPITAL))
    net.register(1)
    after = PartyWord.parse(net.registry.call("party_word", HOSPITAL))
    assert (after.registrations, after.registrations_ever) == (1, 1)
    assert after.controller == before.controller
    assert (after.roles, after.status, after.may_register) == (before.roles, Status.VERIFIED, True)


def test_a_registration_is_entered_once(net: Consortium) -> None:
    net.register(1)
    for registrar in (HOSPITAL, CENTRE):
        with refused("taken"):
            net.register(1, registrar)
    assert net.registry.call("patient_counts", HOSPITAL) == (1, 1)


def test_only_a_verified_organisation_registers_in_its_own_name(net: Consortium) -> None:
    with refused("caller"):
        net.registry.send(STRANGER, "register_patient", patient_word(HOSPITAL, registration(1)))
    with refused("caller"):
        net.registry.send(controller(CENTRE), "register_patient", patient_word(HOSPITAL, registration(1)))
    for party in (DOCTOR, OFFICERS[0], MINISTRY):
        with refused("role"):
            net.register(1, party)
    with refused("caller"):
        net.register(1, PHARMACY)
    net.add_pending(PHARMACY)
    with refused("status"):
        net.register(1, PHARMACY)
    net.officer("suspend", HOSPITAL)
    with refused("status"):
        net.register(1)
    assert net.registry.call("registration_word", registration(1)) == 0


def test_a_number_over_192_bits_is_refused(net: Consortium) -> None:
    with refused(""):
        net.act(HOSPITAL, "register_patient", patient_word(HOSPITAL, registration(1)) | 1 << 192)


def test_the_registrar_ends_a_registration_and_the_count_goes_down(net: Consortium) -> None:
    net.register(1)
    net.register(2)
    for sender in (STRANGER, controller(CENTRE), controller(DOCTOR), controller(OFFICERS[0])):
        with refused("caller"):
            net.registry.send(sender, "end_registration", registration(1))
    ended = net.act(HOSPITAL, "end_registration", registration(1))
    assert patient_of(ended.events[0].fields["patient"]) == (HOSPITAL, registration(1))
    assert net.registry.call("registration_word", registration(1)) == HOSPITAL << 64
    assert net.registry.call("patient_counts", HOSPITAL) == (1, 2)
    with refused("unknown"):
        net.act(HOSPITAL, "end_registration", registration(1))
    with refused("taken"):
        net.register(1)
    assert net.registry.call("registration_word", registration(2)) == HOSPITAL


def test_a_suspended_registrar_may_end_registrations_and_a_removed_one_not(net: Consortium) -> None:
    net.register(1)
    net.register(2)
    net.officer("suspend", HOSPITAL)
    net.act(HOSPITAL, "end_registration", registration(1))
    net.officer("remove", HOSPITAL)
    with refused("status"):
        net.act(HOSPITAL, "end_registration", registration(2))
    with refused("unknown"):
        net.act(HOSPITAL, "end_registration", registration(9))


def test_posts_and_strangers_have_no_counts(net: Consortium) -> None:
    assert net.registry.call("patient_counts", DOCTOR) == (0, 0)
    assert net.registry.call("patient_counts", PHARMACY) == (0, 0)
