"""Beyond forty patients a day the rule ``general`` needs an officer of the doctor's employer, once for each request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.adapters.custody.hostile import DyingLink
from careledger.domain.errors import (
    AccessRefused,
    ActRefused,
    NotEnoughCustodians,
    PartyNotFound,
    RequestRefused,
    SessionExpired,
    SignatureRefused,
)
from careledger.domain.parties import Role
from careledger.domain.questions import LONGEST_AGREEMENT
from careledger.formats.releases import OfficerAgreement, SignedAgreement
from careledger.formats.signed import sign
from careledger.workflows import register
from careledger.workflows.accesses import by_general
from careledger.workflows.actors import Holder, Session, Staff
from careledger.workflows.agree import agree
from careledger.workflows.audit import audit
from careledger.workflows.parties import end_post
from careledger.workflows.retrieve import Retrieved, retrieve
from world import DAY, GENERAL, World, texts, version

ALLERGY = {"resourceType": "AllergyIntolerance", "code": {"text": "peanut"}}


class Ward:
    """A patient with an allergy, and a doctor of another hospital who has read of forty others today."""

    def __init__(self, world: World, others: int = 40) -> None:
        self.world, self.mine = world, world.patient(compartments=(GENERAL,))
        world.put(world.writer(), self.mine.alias, version(ALLERGY, GENERAL, world.doctor))
        self.doctor, self.officer = world.outsider, world.staff(world.clinic, 68, Role.OPERATOR)
        for directory in world.directories.values():
            for number in range(others):
                alias = number.to_bytes(32, "big")
                directory.journal.count_general(self.doctor.number, world.clock.now() // DAY, alias)

    def agreement(self, officer: Staff | None = None, holder: Holder | None = None) -> SignedAgreement:
        session = self.world.session(officer or self.officer)
        return agree(self.world.network, session, self.doctor, (holder or self.mine).alias)

    def read(self, agreement: SignedAgreement | None, by: Session | None = None) -> Retrieved:
        access = by_general(by or self.world.session(self.doctor), agreement)
        return retrieve(self.world.network, access, self.world.statement(self.mine.alias), (GENERAL,))


def test_with_an_officers_agreement_one_more_patient_is_read_and_the_officer_stands_in_the_log(
    world: World,
) -> None:
    ward = Ward(world)
    with pytest.raises(AccessRefused, match="too-many-patients"):
        ward.read(None)
    assert texts(ward.read(ward.agreement())) == ["peanut"]
    found = audit(world.network, ward.mine)
    assert [(access.outcome, access.officers) for access in found.accesses] == [
        ("refused", ()),
        ("released", (ward.officer.number,)),
    ]


def test_before_the_fortieth_patient_nobody_has_to_agree_and_nobody_is_named(world: World) -> None:
    ward = Ward(world, others=39)
    assert texts(ward.read(None)) == ["peanut"]
    assert texts(ward.read(ward.agreement())) == ["peanut"]
    assert {access.officers for access in audit(world.network, ward.mine).accesses} == {()}


def test_an_agreement_serves_one_request(world: World) -> None:
    ward = Ward(world)
    agreement = ward.agreement()
    assert texts(ward.read(agreement)) == ["peanut"]
    with pytest.raises(RequestRefused, match="replayed"):
        ward.read(agreement)
    said = OfficerAgreement.decode(agreement.statement.body)
    other = replace(said, request=b"\1" * 16)  # whoever changes the id breaks the signature
    forged = replace(agreement, statement=replace(agreement.statement, body=other.encode()))
    with pytest.raises(SignatureRefused):
        ward.read(forged)


def test_an_agreement_is_for_one_patient_one_post_and_an_hour(world: World) -> None:
    ward = Ward(world)
    second = world.patient(compartments=(GENERAL,))
    with pytest.raises(AccessRefused, match="agreement-of-other"):
        ward.read(ward.agreement(holder=second))
    colleague = world.staff(world.clinic, 66)
    day = world.clock.now() // DAY
    for directory in world.directories.values():
        for number in range(40):
            directory.journal.count_general(colleague.number, day, number.to_bytes(32, "big"))
    with pytest.raises(AccessRefused, match="agreement-of-other"):
        ward.read(ward.agreement(), by=world.session(colleague))
    agreement = ward.agreement()
    world.clock.advance(LONGEST_AGREEMENT)
    with pytest.raises(AccessRefused, match="agreement-over"):
        ward.read(agreement)


def test_neither_a_stranger_nor_the_post_itself_nor_another_doctor_is_an_officer(world: World) -> None:
    ward = Ward(world)
    stranger = world.staff(world.hospital, 58, Role.OPERATOR)
    for by in (stranger, ward.doctor):
        with pytest.raises(ActRefused):
            ward.agreement(by)
    with pytest.raises(AccessRefused, match="not-an-officer"):
        ward.read(ward.agreement(world.staff(world.clinic, 69)))
    for by in (ward.doctor, stranger):
        with pytest.raises(AccessRefused, match="not-an-officer"):
            ward.read(_agreed(ward, by))
    twin = Staff(67, world.clinic, ward.doctor.key)  # one person with two posts is not two persons
    register.post(world.network, twin, {Role.OPERATOR}, b"\1" * 32)
    with pytest.raises(AccessRefused, match="not-an-officer"):
        ward.read(ward.agreement(twin))


def _agreed(ward: Ward, by: Staff, **changes: object) -> SignedAgreement:
    """What a gateway that keeps no rules lets that post sign."""
    session, now = ward.world.session(by), ward.world.clock.now()
    said = OfficerAgreement(
        b"\4" * 15 + bytes([by.number]), by.number, by.organisation.number, ward.doctor.number, ward.mine.alias,
        now, now + 600,
    )  # fmt: skip
    said = replace(said, **changes)  # type: ignore[arg-type]
    return SignedAgreement(sign(said, session.key, ward.world.ledger.deployment), session.proof)


def test_an_agreement_in_another_officers_name_or_after_its_session_or_post_ended_is_refused(
    world: World,
) -> None:
    ward = Ward(world)
    colleague = world.staff(world.clinic, 66)
    with pytest.raises(SignatureRefused):
        ward.read(_agreed(ward, colleague, officer=ward.officer.number))
    short = world.session(ward.officer, seconds=60)
    agreement = agree(world.network, short, ward.doctor, ward.mine.alias)
    world.clock.advance(60)
    with pytest.raises(SessionExpired):
        ward.read(agreement)
    with pytest.raises(SessionExpired):
        agree(world.network, short, ward.doctor, ward.mine.alias)
    agreement = ward.agreement()
    end_post(world.network, ward.officer)
    with pytest.raises((AccessRefused, PartyNotFound)):
        ward.read(agreement)


@pytest.mark.parametrize("times", ["before", "after"])
def test_a_request_that_was_lost_on_the_way_needs_a_new_agreement_where_it_had_arrived(
    world: World, times: str
) -> None:
    ward, honest = Ward(world), dict(world.links)
    for number in list(honest)[:4]:
        world.links[number] = (
            DyingLink(honest[number], before=["release"])
            if times == "before"
            else DyingLink(honest[number], after=["release"])
        )
    agreement = ward.agreement()
    with pytest.raises(NotEnoughCustodians):
        ward.read(agreement)
    world.links.update(honest)
    if times == "before":
        assert texts(ward.read(agreement)) == ["peanut"]
    else:
        with pytest.raises(RequestRefused, match="replayed"):
            ward.read(agreement)
    assert texts(ward.read(ward.agreement())) == ["peanut"]
