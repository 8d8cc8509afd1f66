"""After a death: whom the person named reads what was named, two officers let others read, nobody does before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from careledger.domain.consents import Grantee, GranteeKind, Purpose
from careledger.domain.errors import (
    AccessRefused,
    ActRefused,
    CareLedgerError,
    MalformedBytes,
    NotTheController,
    PartyNotVerified,
    PatientNotFound,
    RequestRefused,
    SignatureRefused,
)
from careledger.domain.parties import PartyId
from careledger.domain.questions import LONGEST_DECISION, OFFICERS_WAIT
from careledger.formats.after_death import AfterDeathDecision, SignedDecision
from careledger.formats.releases import LogEntry
from careledger.formats.signed import sign
from careledger.workflows.accesses import by_consent
from careledger.workflows.actors import Holder, Staff
from careledger.workflows.after_death import by_decision, decide_after_death, name_reader
from careledger.workflows.audit import Log, audit
from careledger.workflows.death import record_death, withdraw_death
from careledger.workflows.grant import Granted, finish_grants, given_consents
from careledger.workflows.lease import open_lease
from careledger.workflows.received import fetch_grants, live_grant
from careledger.workflows.register import Officer
from careledger.workflows.retrieve import Retrieved, retrieve
from careledger.workflows.revoke import revoke
from careledger.workflows.rotate_keys import rotate
from crashing import Trial, crash_everywhere, die
from world import DAY, DIAGNOSIS, GENERAL, GUARDED, REPORT, World, condition, texts, version

ALLERGY = {"resourceType": "AllergyIntolerance", "code": {"text": "peanut"}}
AFTER = Purpose.AFTERDEATH


def person(world: World) -> Holder:
    """A claimed patient with a diagnosis and an allergy."""
    holder = world.patient(compartments=(DIAGNOSIS, GENERAL, GUARDED))
    world.put(world.writer(), holder.alias, condition(world.doctor), version(ALLERGY, GENERAL, world.doctor))
    return world.claim(holder).holder


def name(world: World, mine: Holder, staff: Staff) -> Granted:
    grantee = Grantee(GranteeKind.POST, staff.number, PartyId(staff.organisation.number))
    return name_reader(world.network, mine, grantee, (DIAGNOSIS,))


def dies(world: World, mine: Holder) -> None:
    world.clock.advance(DAY)
    record_death(world.network, mine.alias, world.officers)


def read(world: World, staff: Staff, mine: Holder, *compartments: object) -> list[str]:
    asked = compartments or (DIAGNOSIS,)
    return texts(world.read_by_consent(staff, mine.alias, asked, AFTER))  # type: ignore[arg-type]


# Whom the person named ---------------------------------------------------------------------------


def test_whom_the_person_named_reads_after_the_death_and_not_a_moment_before(world: World) -> None:
    mine = person(world)
    name(world, mine, world.outsider)
    with pytest.raises(AccessRefused, match="after-death-only"):
        read(world, world.outsider, mine)
    world.clock.advance(DAY)
    record_death(world.network, mine.alias, world.officers[:1])
    with pytest.raises(AccessRefused, match="after-death-only"):
        read(world, world.outsider, mine)
    record_death(world.network, mine.alias, world.officers[1:])
    assert read(world, world.outsider, mine) == ["asthma"]
    withdraw_death(world.network, mine.alias, world.officers)
    with pytest.raises(AccessRefused, match="after-death-only"):
        read(world, world.outsider, mine)


def test_a_named_reader_who_looks_at_the_board_only_after_the_death_reads_too(world: World) -> None:
    mine = person(world)
    name(world, mine, world.outsider)
    dies(world, mine)
    assert read(world, world.outsider, mine) == ["asthma"]


def test_whom_the_person_named_reads_nothing_else(world: World) -> None:
    mine = person(world)
    name(world, mine, world.outsider)
    dies(world, mine)
    for other in (GENERAL, GUARDED, REPORT):
        with pytest.raises(AccessRefused):
            read(world, world.outsider, mine, other)


def test_who_was_not_named_reads_nothing_of_the_dead(world: World) -> None:
    mine = person(world)
    name(world, mine, world.outsider)
    world.grant(mine, world.doctor, seconds=30 * DAY)
    dies(world, mine)
    colleague = world.staff(world.clinic, 66)
    with pytest.raises(AccessRefused, match="other-grantee"):
        read(world, colleague, mine)
    with pytest.raises(AccessRefused, match="nobody-controls"):
        world.read_by_consent(world.doctor, mine.alias)
    access = by_consent(world.session(), live_grant(world.network, world.doctor, mine.alias, "TREAT"))
    with pytest.raises(AccessRefused, match="nobody-controls"):
        retrieve(world.network, replace(access, purpose=AFTER), world.statement(mine.alias), (DIAGNOSIS,))


def test_whoever_finds_a_dead_persons_phrase_names_nobody(world: World) -> None:
    mine = person(world)
    dies(world, mine)
    with pytest.raises(NotTheController):
        name(world, mine, world.outsider)
    world.grant(mine, world.outsider, purpose=AFTER)
    with pytest.raises(AccessRefused, match="not-named-by-the-person"):
        read(world, world.outsider, mine)


def test_a_naming_that_was_revoked_or_signed_by_former_keys_ends(world: World) -> None:
    mine = person(world)
    dropped, third = world.staff(world.clinic, 66), world.staff(world.clinic, 67)
    first, second = name(world, mine, world.outsider), name(world, mine, dropped)
    revoke(world.network, mine, first.owner)
    kept = rotate(world.network, mine, keep=lambda certificate: certificate.owner != second.owner)
    name(world, kept, third)
    dies(world, kept)
    with pytest.raises(AccessRefused):
        read(world, world.outsider, kept)
    with pytest.raises(AccessRefused):
        read(world, dropped, kept)
    assert read(world, third, kept) == ["asthma"]


def test_a_naming_goes_on_after_new_keys_and_opens_what_was_deposited_since(world: World) -> None:
    mine = person(world)
    name(world, mine, world.outsider)
    other = world.grant(mine, world.nurse)
    revoke(world.network, mine, other.owner)  # begins a new epoch
    mine = rotate(world.network, mine)
    dies(world, mine)
    assert read(world, world.outsider, mine) == ["asthma"]


def test_a_registrar_names_nobody_for_a_patient_who_has_not_claimed(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    with pytest.raises(NotTheController):
        name(world, holder, world.doctor)
    world.grant(holder, world.doctor, purpose=AFTER, seconds=30 * DAY)
    dies(world, holder)
    with pytest.raises(AccessRefused, match="not-named-by-the-person"):
        read(world, world.doctor, holder)


def test_a_named_readers_lease_ends_when_the_death_is_withdrawn(world: World) -> None:
    mine = person(world)
    name(world, mine, world.outsider)
    dies(world, mine)
    fetch_grants(world.network, world.clinic)
    session = world.session(world.outsider)
    access = by_consent(session, live_grant(world.network, world.outsider, mine.alias, AFTER.code))
    lease = open_lease(world.network, session, access, world.statement(mine.alias), (DIAGNOSIS,))
    assert len(lease.records(world.network)) == 1
    withdraw_death(world.network, mine.alias, world.officers)
    with pytest.raises(AccessRefused, match="after-death-only"):
        lease.records(world.network)


# Two officers ------------------------------------------------------------------------------------


def decide(world: World, mine: Holder, reader: Staff, officers: Sequence[Officer] = ()) -> SignedDecision:
    asked = (officers or world.officers, reader.number, mine.alias, (DIAGNOSIS,), "heirs-ask")
    return decide_after_death(world.network, *asked)


def by_officers(world: World, mine: Holder, reader: Staff, decision: SignedDecision) -> Retrieved:
    access = by_decision(world.session(reader), decision)
    return retrieve(world.network, access, world.statement(mine.alias), (DIAGNOSIS,))


def test_two_officers_let_a_doctor_read_the_dead_and_both_stand_in_the_log(world: World) -> None:
    mine = person(world)
    dies(world, mine)
    decision = decide(world, mine, world.outsider)
    with pytest.raises(AccessRefused, match="too-soon-after-death"):
        by_officers(world, mine, world.outsider, decision)
    world.clock.advance(OFFICERS_WAIT)
    assert texts(by_officers(world, mine, world.outsider, decision)) == ["asthma"]
    withdraw_death(world.network, mine.alias, world.officers)
    said = AfterDeathDecision.decode(decision.by_first.body)
    lines = [entry for entry in _entries(audit(world.network, mine).logs) if entry.rule == "officers"]
    released = [entry for entry in lines if entry.event == "released"]
    assert len(released) == 5
    assert {entry.officers for entry in released} == {(901, 902)}
    assert {entry.commitment for entry in lines} == {said.digest()}
    with pytest.raises(AccessRefused, match="after-death-only"):
        by_officers(world, mine, world.outsider, decision)


def _entries(logs: Sequence[Log]) -> list[LogEntry]:
    return [entry for log in logs for entry in log.entries]


def test_neither_officer_alone_nor_a_stranger_decides(world: World) -> None:
    mine = person(world)
    with pytest.raises(ActRefused, match="died"):
        decide(world, mine, world.outsider)
    dies(world, mine)
    one, other = world.officers
    stranger = Officer(world.doctor.number, world.doctor.key)
    wrong_key = replace(other, key=world.doctor.key)
    for officers in ([one], [one, one], [one, stranger], [one, wrong_key], [one, other, stranger]):
        with pytest.raises((ActRefused, PartyNotVerified)):
            decide(world, mine, world.outsider, officers)
    with pytest.raises(PatientNotFound):
        decide_after_death(
            world.network, world.officers, world.outsider.number, b"\1" * 32, (DIAGNOSIS,), "x"
        )
    decision = decide(world, mine, world.outsider)
    world.clock.advance(OFFICERS_WAIT)
    body = AfterDeathDecision.decode(decision.by_first.body)
    deployment = world.ledger.deployment
    alone = replace(body, officers=(901, 901))
    mine_alone = SignedDecision(sign(alone, one.key, deployment), sign(alone, one.key, deployment))
    forged = replace(decision, by_second=sign(body, one.key, deployment))
    split = replace(decision, by_second=sign(replace(body, reason="other"), other.key, deployment))
    doctor = replace(body, officers=(901, world.doctor.number))
    mixed = SignedDecision(sign(doctor, one.key, deployment), sign(doctor, world.doctor.key, deployment))
    for wrong, refusal in (
        (mine_alone, AccessRefused),
        (forged, SignatureRefused),
        (split, MalformedBytes),
        (mixed, AccessRefused),
    ):
        with pytest.raises(refusal):
            by_officers(world, mine, world.outsider, wrong)
    assert texts(by_officers(world, mine, world.outsider, decision)) == ["asthma"]


def test_a_decision_is_for_one_post_its_categories_and_thirty_days(world: World) -> None:
    mine, other = person(world), person(world)
    dies(world, mine)
    dies(world, other)
    decision = decide(world, mine, world.outsider)
    world.clock.advance(OFFICERS_WAIT)
    with pytest.raises(AccessRefused, match="decided-for-another"):
        by_officers(world, mine, world.doctor, decision)
    with pytest.raises(AccessRefused, match="another-patient"):
        by_officers(world, other, world.outsider, decision)
    access = by_decision(world.session(world.outsider), decision)
    for compartment in (GENERAL, GUARDED):
        with pytest.raises(AccessRefused, match="decided-for-another"):
            retrieve(world.network, access, world.statement(mine.alias), (compartment,))
    by = replace(access, decision=decide(world, mine, world.outsider))
    with pytest.raises(RequestRefused, match="another-decision"):
        retrieve(world.network, by, world.statement(mine.alias), (DIAGNOSIS,))
    with pytest.raises(AccessRefused, match="not-two-officers"):
        retrieve(world.network, replace(access, decision=None), world.statement(mine.alias), (DIAGNOSIS,))
    world.clock.advance(LONGEST_DECISION - OFFICERS_WAIT)
    with pytest.raises(AccessRefused, match="decision-over"):
        by_officers(world, mine, world.outsider, decision)


def test_an_unclaimed_patients_records_are_read_after_the_death_by_officers_decision_only(
    world: World,
) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    dies(world, holder)
    with pytest.raises(CareLedgerError):
        world.read_as_registrar(holder)
    decision = decide(world, holder, world.doctor)
    world.clock.advance(OFFICERS_WAIT)
    assert texts(by_officers(world, holder, world.doctor, decision)) == ["asthma"]
    session = world.session()
    statement = world.statement(holder.alias)
    lease = open_lease(world.network, session, by_decision(session, decision), statement, (DIAGNOSIS,))
    assert len(lease.records(world.network)) == 1
    withdraw_death(world.network, holder.alias, world.officers)
    with pytest.raises(AccessRefused, match="after-death-only"):
        lease.records(world.network)


# Crashes -----------------------------------------------------------------------------------------


def test_a_naming_that_crashed_anywhere_counts_after_it_was_finished(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        mine = person(world)
        grantee = Grantee(GranteeKind.POST, world.outsider.number, PartyId(world.clinic.number))
        asked = (grantee, (DIAGNOSIS,))
        die(trial, lambda: name_reader(trial.network, trial.holder(mine), *asked))

        def finish() -> None:
            if not finish_grants(world.network, mine) and not given_consents(mine):
                name_reader(world.network, mine, *asked)
            dies(world, mine)
            assert read(world, world.outsider, mine) == ["asthma"]

        return finish

    assert crash_everywhere(world, attempt) == 6
