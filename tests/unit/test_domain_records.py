"""Posts as the ledger shows them, the rows they act in, and what a version must look like."""

from __future__ import annotations

import pytest

from careledger.domain.errors import MalformedBytes
from careledger.domain.facts import PartyFacts
from careledger.domain.parties import PartyId, Role, Status
from careledger.domain.records import Ground, Post, Source
from decision_cases import HANDLE, itself, post, version


def facts(number: int, role: Role, employer: int = 0, status: Status = Status.VERIFIED) -> PartyFacts:
    return PartyFacts(number, frozenset({role}), status, status, employer, bytes(20))


def test_a_post_stands_beside_its_employer_with_both_statuses() -> None:
    hospital = facts(7, Role.HOSPITAL, status=Status.SUSPENDED)
    made = Post.registered(facts(8, Role.DOCTOR, employer=7), hospital, frozenset({3}))
    assert (made.party, made.employer, made.teams) == (PartyId(8), PartyId(7), frozenset({3}))
    assert (made.status, made.employer_status) == (Status.VERIFIED, Status.SUSPENDED)
    assert made.acting == {Role.DOCTOR, Role.HOSPITAL}


def test_a_party_without_an_employer_stands_for_itself() -> None:
    made = Post.registered(facts(7, Role.HOSPITAL), None, frozenset())
    assert made.party == made.employer
    assert made.acting == {Role.HOSPITAL}


@pytest.mark.parametrize("employer", [facts(9, Role.HOSPITAL), None])
def test_another_employer_than_the_ledgers_is_refused(employer: PartyFacts | None) -> None:
    with pytest.raises(MalformedBytes):
        Post.registered(facts(8, Role.DOCTOR, employer=7), employer, frozenset())


@pytest.mark.parametrize(
    ("who", "rows"),
    [
        (post(Role.DOCTOR), {Role.DOCTOR, Role.HOSPITAL}),
        (post(Role.DOCTOR, at=(Role.INSURER,)), {Role.INSURER}),
        (post(Role.NURSE, at=(Role.HOSPITAL, Role.CENTRE)), {Role.NURSE, Role.HOSPITAL, Role.CENTRE}),
        (post(), {Role.HOSPITAL}),
        (post(Role.DEVICE), {Role.DEVICE}),
        (post(Role.RESEARCHER), {Role.RESEARCHER}),
        (post(Role.DOCTOR, Role.RESEARCHER), {Role.DOCTOR, Role.RESEARCHER}),
        (itself(Role.RELATIVE), {Role.RELATIVE}),
        (itself(Role.PATIENT), set()),
        (post(Role.IMPORT, at=(Role.IMPORT,)), set()),
    ],
)
def test_staff_act_as_their_employer_and_machines_and_researchers_only_as_themselves(
    who: Post, rows: set[Role]
) -> None:
    assert who.acting == rows


def test_a_version_with_a_malformed_handle_or_month_is_refused() -> None:
    for changes in ({"handle": HANDLE[1:]}, {"clinical_month": "May 2023"}):
        with pytest.raises(MalformedBytes):
            version(**changes)


def test_codes_are_read_back_and_other_words_are_refused() -> None:
    assert Source.of("patient-reported") is Source.PATIENT_REPORTED
    assert [Ground.of(ground.code) for ground in Ground] == list(Ground)
    with pytest.raises(MalformedBytes):
        Ground.of("because")
