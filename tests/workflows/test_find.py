"""A person is found only for a declared presence or in an emergency, seldom, and learns of it."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from careledger.adapters.memory.locator import InProcessLocator
from careledger.domain.errors import RequestRefused, SignatureRefused
from careledger.domain.questions import PATIENTS_A_DAY
from careledger.formats.consent_messages import OpenBreakGlass
from careledger.formats.digests import digest
from careledger.formats.persons import LocatorRequest
from careledger.formats.releases import SignedOpening
from careledger.workflows import break_glass
from careledger.workflows.actors import Organisation, open_session
from careledger.workflows.find import BREAK_GLASS, Sighting, Sought, answer, find
from careledger.workflows.identity_rows import Identity
from careledger.workflows.located import located
from careledger.workflows.request_access import read_requests
from world import World

KARIM = Identity(bytes(32), bytes(16), "করিম", "Karim Uddin", "1990-123", "1990-04-02", bytes(32))
RAHIM = Identity(bytes(32), bytes(16), "", "Rahim Uddin", "1991-777", "1991-01-01", bytes(32))


@pytest.fixture
def locator(world: World) -> InProcessLocator:
    made = InProcessLocator()
    for member in (world.hospital, world.clinic):
        made.join(member.number, answering(world, member))
    return made


def answering(world: World, member: Organisation):  # type: ignore[no-untyped-def]
    return lambda body: answer(world.network, member, body)


def look(world: World, locator: InProcessLocator, sought: Sought, **more: object) -> Sighting:
    return find(world.network, locator, world.session(world.outsider), sought, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sought", "why"),
    [
        (Sought(national_id="1990123"), ["national-id"]),
        (Sought(name="UDDIN, Karim", birth="1990-04"), ["name-and-birth"]),
        (Sought(name="করিম", birth="1990-04-02"), ["name-and-birth"]),
        (Sought(name="Karim Uddin", birth="1991"), []),
        (Sought(national_id="1990124"), []),
    ],
)
def test_a_member_answers_from_its_own_table_what_matches(
    world: World, locator: InProcessLocator, sought: Sought, why: list[str]
) -> None:
    holder = world.patient(identity=KARIM, compartments=())
    world.patient(identity=RAHIM, compartments=())
    sighting = look(world, locator, sought)
    assert [(match.member, match.why) for match in sighting.matches] == [
        (world.hospital.number, each) for each in why
    ]
    assert {match.alias for match in sighting.matches} <= {holder.alias}
    assert sighting.unanswered == ()


def test_the_person_found_is_told_by_whom_and_others_are_not(world: World, locator: InProcessLocator) -> None:
    holder = world.patient(identity=KARIM, compartments=())
    mine = world.claim(holder).holder
    other = world.claim(world.patient(identity=RAHIM, compartments=())).holder
    look(world, locator, Sought(national_id="1990-123"))
    read_requests(world.network, mine)
    read_requests(world.network, other)
    [told] = located(mine)
    assert (told.member, told.reader, told.employer, told.declared) == (
        world.hospital.number, world.outsider.number, world.clinic.number, "present",
    )  # fmt: skip
    assert located(other) == []


def test_a_commitment_to_an_identity_cannot_be_guessed(world: World, locator: InProcessLocator) -> None:
    world.patient(identity=KARIM, compartments=())
    [match] = look(world, locator, Sought(national_id="1990-123")).matches
    fields = (KARIM.name, KARIM.romanised, KARIM.national_id, KARIM.birth)
    guessed = digest("identity", bytes(32), *(each.encode() for each in fields))
    assert match.commitment != guessed
    assert look(world, locator, Sought(national_id="1990-123")).matches[0].commitment == match.commitment


def refused(sighting: Sighting) -> list[str]:
    assert sighting.matches == ()
    return [str(refusal.details.get("reason")) for _, refusal in sighting.unanswered]


def test_without_a_ground_or_with_too_little_nobody_is_found(world: World, locator: InProcessLocator) -> None:
    world.patient(identity=KARIM, compartments=())
    known = Sought(national_id="1990-123")
    for too_little in (Sought(name="Karim Uddin"), Sought(birth="1990-04-02"), Sought()):
        assert refused(look(world, locator, too_little)) == ["too-little-known"] * 2
    assert refused(look(world, locator, known, declared=BREAK_GLASS)) == ["no-break-glass"] * 2
    assert len(look(world, locator, known, declared="curious").unanswered) == 2
    sighting = find(world.network, locator, world.session(world.pharmacist), known)
    assert refused(sighting) == ["treats-nobody"] * 2


def test_an_open_break_glass_entry_of_the_asker_finds(world: World, locator: InProcessLocator) -> None:
    world.patient(identity=KARIM, compartments=())
    second = world.staff(world.clinic, 62)
    entry = break_glass.open_emergency(world.network, world.outsider, second, bytes(32), "unconscious").entry
    known = Sought(national_id="1990-123")
    assert len(look(world, locator, known, declared=BREAK_GLASS, entry=entry).matches) == 1
    mine = find(world.network, locator, world.session(world.doctor), known, BREAK_GLASS, entry)
    assert refused(mine) == ["no-break-glass"] * 2
    world.clock.advance(4 * 3600)
    assert refused(look(world, locator, known, declared=BREAK_GLASS, entry=entry)) == ["no-break-glass"] * 2


def test_an_entry_that_was_made_afterwards_finds_nobody(world: World, locator: InProcessLocator) -> None:
    world.patient(identity=KARIM, compartments=())
    second, now = world.staff(world.clinic, 62), world.clock.now()
    said = OpenBreakGlass(bytes(32), bytes(32), world.outsider.number, 62, now + 4 * 3600, False, now)
    where = world.ledger.chain_id, world.ledger.contract("BreakGlass")
    signatures = (staff.key.sign(said.digest(*where)) for staff in (world.outsider, second))
    world.clock.advance(60)
    world.ledger.enter_break_glass(SignedOpening(*astuple(said), *signatures), world.network.relay)
    sighting = look(world, locator, Sought(national_id="1990-123"), declared=BREAK_GLASS, entry=bytes(32))
    assert refused(sighting) == ["no-break-glass"] * 2


def test_a_post_asks_forty_times_a_day(world: World, locator: InProcessLocator) -> None:
    locator.leave(world.hospital.number)
    world.patient(world.clinic, KARIM, ())
    nobody = Sought(national_id="none")
    sightings = [look(world, locator, nobody) for _ in range(PATIENTS_A_DAY)]
    assert not any(each.unanswered for each in sightings)
    assert refused(look(world, locator, nobody)) == ["too-many-questions"]
    world.clock.advance(86_400)
    assert look(world, locator, nobody).unanswered == ()


def test_a_question_of_another_post_a_repeated_and_an_old_one_are_refused(world: World) -> None:
    sent: list[bytes] = []
    locator = InProcessLocator()

    def keep(body: bytes) -> bytes:
        sent.append(body)
        return answer(world.network, world.hospital, body)

    locator.join(world.hospital.number, keep)
    look(world, locator, Sought(national_id="1"))
    with pytest.raises(RequestRefused, match="seen-before"):
        answer(world.network, world.hospital, sent[0])
    thief = open_session(world.doctor, world.ledger.deployment, world.clock.now())
    stolen = replace(LocatorRequest.decode(sent[0]), session=thief.proof.statement)
    with pytest.raises(SignatureRefused):
        answer(world.network, world.hospital, stolen.encode())
    world.clock.advance(61)
    with pytest.raises(RequestRefused, match="not-after"):
        answer(world.network, world.hospital, sent[0])


def test_an_answer_that_another_member_signed_counts_for_nothing(world: World) -> None:
    world.patient(identity=KARIM, compartments=())
    locator = InProcessLocator()
    locator.join(world.clinic.number, answering(world, world.hospital))
    sighting = look(world, locator, Sought(national_id="1990-123"))
    assert sighting.matches == ()
    [(member, refusal)] = sighting.unanswered
    assert member == world.clinic.number
    assert isinstance(refusal, SignatureRefused)
