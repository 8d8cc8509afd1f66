"""Organisations: proposed or added, declared, verified, suspended, reinstated, removed."""

from __future__ import annotations

import pytest

from careledger.domain.parties import Role, Status
from careledger.formats.ledger_words import PartyWord
from contracts.harness import key, refused
from contracts.registry_world import (
    CENTRE,
    DOCTOR,
    HOSPITAL,
    HOSPITAL_ROLE,
    INSURER,
    MINISTRY,
    NURSE,
    OFFICERS,
    PHARMACY,
    STRANGER,
    Consortium,
    controller,
    digest,
)


def test_an_organisation_proposes_itself_and_an_officer_verifies_it(net: Consortium) -> None:
    sent = net.act(PHARMACY, "propose_organisation", PHARMACY, 1 << Role.PHARMACY, *net.declared(PHARMACY))
    assert [event.name for event in sent.events] == ["OrganisationProposedV1", "OrganisationDeclaredV1"]
    assert net.status(PHARMACY) == Status.PENDING
    done = net.officer("verify", PHARMACY, *net.declared(PHARMACY))
    assert [(e.name, e.fields) for e in done.events] == [
        ("PartyVerifiedV1", {"party": PHARMACY, "officer": OFFICERS[0]})
    ]
    party = PartyWord.parse(net.registry.call("party_word", PHARMACY))
    assert party.status is Status.VERIFIED
    assert party.roles == {Role.PHARMACY}
    assert party.controller == controller(PHARMACY).address
    assert net.registry.call("keys", PHARMACY) == (
        digest(f"sealing key {PHARMACY}"),
        digest(f"licence {PHARMACY}"),
    )


def test_an_officer_adds_an_organisation_which_declares_itself(net: Consortium) -> None:
    net.officer("add_organisation", INSURER, controller(INSURER).address, 1 << Role.INSURER)
    with refused("undeclared"):
        net.officer("verify", INSURER, *net.declared(INSURER))
    with refused("caller"):
        net.registry.send(STRANGER, "declare", INSURER, *net.declared(INSURER))
    net.act(INSURER, "declare", INSURER, *net.declared(INSURER))
    net.officer("verify", INSURER, *net.declared(INSURER))
    assert net.standing(INSURER) == Status.VERIFIED


def test_verification_names_what_was_checked(net: Consortium) -> None:
    net.add_pending(PHARMACY)
    net.act(PHARMACY, "declare", PHARMACY, digest("another licence"), digest("another key"))
    with refused("other declaration"):
        net.officer("verify", PHARMACY, *net.declared(PHARMACY))
    net.officer("verify", PHARMACY, digest("another licence"), digest("another key"))
    with refused("status"):
        net.act(PHARMACY, "declare", PHARMACY, *net.declared(PHARMACY))


def test_an_organisation_without_licence_or_sealing_key_is_not_entered(net: Consortium) -> None:
    for declaration in ((bytes(32), digest("key")), (digest("licence"), bytes(32))):
        with refused("empty"):
            net.act(PHARMACY, "propose_organisation", PHARMACY, HOSPITAL_ROLE, *declaration)


@pytest.mark.parametrize(
    "roles", [0, 1 << Role.DOCTOR, 1 << Role.MINISTRY, HOSPITAL_ROLE | 1 << Role.OPERATOR, 1 << 15]
)
def test_an_organisation_takes_no_role_of_a_post_or_the_ministry(net: Consortium, roles: int) -> None:
    with refused("role"):
        net.act(PHARMACY, "propose_organisation", PHARMACY, roles, *net.declared(PHARMACY))
    with refused("role"):
        net.officer("add_organisation", PHARMACY, controller(PHARMACY).address, roles)


def test_a_hospital_may_have_a_laboratory(net: Consortium) -> None:
    net.add_organisation(PHARMACY, Role.HOSPITAL, Role.CENTRE)
    assert PartyWord.parse(net.registry.call("party_word", PHARMACY)).roles == {Role.HOSPITAL, Role.CENTRE}


def test_a_number_is_taken_once_and_never_zero(net: Consortium) -> None:
    for taken in (HOSPITAL, DOCTOR, MINISTRY, OFFICERS[0]):
        with refused("taken"):
            net.registry.send(
                STRANGER, "propose_organisation", taken, HOSPITAL_ROLE, digest("l"), digest("k")
            )
    with refused("empty"):
        net.registry.send(STRANGER, "propose_organisation", 0, HOSPITAL_ROLE, digest("l"), digest("k"))
    with refused("empty"):
        net.officer("add_organisation", PHARMACY, bytes(20), HOSPITAL_ROLE)


def test_a_suspended_organisation_is_reinstated_and_a_removed_one_never(net: Consortium) -> None:
    net.officer("suspend", HOSPITAL)
    assert net.standing(HOSPITAL) == Status.SUSPENDED
    with refused("status"):
        net.officer("suspend", HOSPITAL)
    net.officer("reinstate", HOSPITAL, which=1)
    assert net.standing(HOSPITAL) == Status.VERIFIED
    net.officer("remove", HOSPITAL)
    assert net.standing(HOSPITAL) == Status.REMOVED
    for function in ("reinstate", "suspend", "remove"):
        with refused("status"):
            net.officer(function, HOSPITAL)
    with refused("taken"):
        net.add_pending(HOSPITAL)


def test_suspending_or_removing_an_employer_reaches_its_posts(net: Consortium) -> None:
    assert (net.standing(DOCTOR), net.standing(NURSE)) == (Status.VERIFIED, Status.VERIFIED)
    net.officer("suspend", HOSPITAL)
    assert (net.status(DOCTOR), net.standing(DOCTOR)) == (Status.VERIFIED, Status.SUSPENDED)
    word = PartyWord.parse(net.registry.call("standing_word", DOCTOR))
    assert (word.status, word.employer) == (Status.SUSPENDED, HOSPITAL)
    net.officer("reinstate", HOSPITAL)
    assert net.standing(DOCTOR) == Status.VERIFIED
    net.officer("remove", HOSPITAL)
    assert net.standing(DOCTOR) == Status.REMOVED
    assert net.standing(CENTRE) == Status.VERIFIED


@pytest.mark.parametrize("function", ["suspend", "reinstate", "remove"])
def test_only_officers_decide_on_organisations(net: Consortium, function: str) -> None:
    with refused("caller"):
        net.registry.send(STRANGER, function, OFFICERS[0], HOSPITAL)
    with refused("caller"):
        net.registry.send(controller(HOSPITAL), function, OFFICERS[0], HOSPITAL)
    for other in (HOSPITAL, DOCTOR, MINISTRY):
        with refused("officer"):
            net.act(other, function, other, CENTRE)


def test_only_officers_add_and_verify(net: Consortium) -> None:
    net.add_pending(PHARMACY)
    with refused("caller"):
        net.registry.send(STRANGER, "verify", OFFICERS[0], PHARMACY, *net.declared(PHARMACY))
    with refused("officer"):
        net.act(HOSPITAL, "verify", HOSPITAL, PHARMACY, *net.declared(PHARMACY))
    with refused("officer"):
        net.act(DOCTOR, "add_organisation", DOCTOR, INSURER, STRANGER.address, HOSPITAL_ROLE)
    assert net.status(PHARMACY) == Status.PENDING


def test_no_officer_alone_touches_the_ministry_or_another_officer(net: Consortium) -> None:
    for supervised in (MINISTRY, *OFFICERS):
        for function in ("suspend", "remove"):
            with refused("role"):
                net.officer(function, supervised)


def test_what_is_unknown_is_neither_verified_nor_suspended(net: Consortium) -> None:
    with refused("status"):
        net.officer("verify", PHARMACY, *net.declared(PHARMACY))
    for function in ("suspend", "reinstate", "remove"):
        with refused("unknown"):
            net.officer(function, PHARMACY)
    assert net.registry.call("party_word", PHARMACY) == 0
    assert net.standing(PHARMACY) == Status.UNKNOWN


def test_a_pending_organisation_is_not_suspended_but_may_be_removed(net: Consortium) -> None:
    net.add_pending(PHARMACY)
    with refused("status"):
        net.officer("suspend", PHARMACY)
    net.officer("remove", PHARMACY)
    with refused("status"):
        net.officer("verify", PHARMACY, *net.declared(PHARMACY))


def test_verified_organisations_are_counted_and_listed(net: Consortium) -> None:
    count = net.registry.call("organisation_count")
    assert [net.registry.call("organisation_at", i) for i in range(count)] == [HOSPITAL, CENTRE]
    net.add_pending(PHARMACY)
    assert net.registry.call("organisation_count") == 2
    net.officer("verify", PHARMACY, *net.declared(PHARMACY))
    assert net.registry.call("organisation_at", 2) == PHARMACY


def test_a_key_that_was_rotated_away_decides_nothing_more(net: Consortium) -> None:
    net.rotate(OFFICERS[0], key("new officer key"))
    with refused("caller"):
        net.officer("suspend", HOSPITAL)
    net.registry.send(key("new officer key"), "suspend", OFFICERS[0], HOSPITAL)
    assert net.standing(HOSPITAL) == Status.SUSPENDED
