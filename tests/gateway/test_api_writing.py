"""What is done over the plain interface is done once and by whom the table permits; whoever else tries is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from careledger.app import tokens
from careledger.app.founding import licence
from careledger.app.world import officer_posts
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Purpose
from careledger.domain.errors import RepeatRefused
from careledger.domain.parties import Role
from careledger.gateway import repeats
from careledger.gateway.api.patients import MOST_LIKE
from careledger.gateway.api.rows import BASE
from careledger.gateway.repeats import HOUR, KEPT, WEEK, Answers
from careledger.workflows import register
from careledger.workflows.actors import Staff
from careledger.workflows.emergencies import PROPOSED_FOR, propose_emergency, proposed_here
from careledger.workflows.identity_rows import Identity
from careledger.workflows.register import IDENTITY, kept_holder
from careledger.workflows.request_access import answer, read_requests
from careledger.workflows.turn_epochs import name_for_emergencies
from gateway.edge_world import DAY, Client, Edge, Reply
from story import BIRTH, LICENCE, NAME

JSON = "application/json"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def client(edge: Edge, staff: Staff, purpose: Purpose = Purpose.TREAT) -> Client:
    token = tokens.issue(staff, purpose, edge.story.world.clock.now(), DAY)[0]
    return Client(edge.gateway.url + BASE, token)


def post(asking: Client, place: str, body: Any, key: str = "") -> Reply:
    headers = {"Idempotency_Key": key} if key else {}
    return asking.ask(place, "POST", json.dumps(body).encode(), Content_Type=JSON, **headers)


def employed(edge: Edge, employer: str, label: str, role: Role) -> Staff:
    """A new post, once for each label."""
    story = edge.story
    known = story.world.keyring.all_staff(story.organisations[employer])
    if label in known:
        return known[label]
    made = story.world.keyring.new_staff(story.organisations[employer], label, {role})
    register.post(story.world.network, made, {role}, LICENCE)
    return made


@pytest.fixture
def stay(edge: Edge) -> Client:
    return client(edge, edge.story.staff["Dr Stay"])


@pytest.fixture
def lake(edge: Edge) -> Client:
    return client(edge, edge.story.staff["Dr Lake"])


@pytest.fixture
def clerk(edge: Edge) -> Client:
    return client(edge, edge.story.staff["clerk"])


@pytest.fixture
def officer(edge: Edge) -> Client:
    return client(edge, officer_posts(edge.story.world)[0])


# Asking for access --------------------------------------------------------------------------------


def wanted(edge: Edge, **changes: Any) -> dict[str, Any]:
    asked = {
        "patient": edge.story.adam.hex(),
        "categories": ["report"],
        "reason": "Second opinion",
        "seconds": 3600,
    }
    return {**asked, **changes}


def test_a_post_asks_and_learns_the_answer_and_another_post_learns_of_neither(
    stay: Client, lake: Client, edge: Edge
) -> None:
    reply = post(stay, "consent-requests", wanted(edge, restricted=["diagnosis"]))
    assert reply.status == 201, reply.body
    made = reply.body
    assert made["categories"] == [
        {"category": "diagnosis", "restricted": True},
        {"category": "report", "restricted": False},
    ]
    assert (made["purpose"], made["answer"]) == ("TREAT", None)
    holder, network = edge.story.holder(edge.story.adam), edge.story.world.network
    heard = {each.id.hex(): each for each in read_requests(network, holder)}
    assert heard[made["id"]].reason == "Second opinion"
    assert stay.ask(f"consent-requests/{made['id']}").body == made
    answer(network, holder, bytes.fromhex(made["id"]), "refused")
    assert stay.ask(f"consent-requests/{made['id']}").body["answer"] == "refused"
    assert made["id"] in {each["id"] for each in stay.ask("consent-requests").body["items"]}
    colleague = client(edge, employed(edge, "Delta", "Dr Other, Delta", Role.DOCTOR))
    for stranger in (lake, colleague):
        assert stranger.ask(f"consent-requests/{made['id']}").problem == "record-not-found"
        assert stranger.ask("consent-requests").body["items"] == []


@pytest.mark.parametrize(
    ("changes", "status", "problem"),
    [
        ({"patient": "0" * 64}, 404, "patient-not-found"),
        ({"patient": "0" * 63 + "\n"}, 400, "api-refused"),
        ({"categories": []}, 400, "api-refused"),
        ({"categories": ["all"]}, 400, "api-refused"),
        ({"may": []}, 400, "api-refused"),
        ({"may": ["own"]}, 400, "api-refused"),
        ({"seconds": 1}, 400, "api-refused"),
        ({"reason": "x" * 501}, 400, "api-refused"),
        ({"purpose": "HRESCH"}, 400, "api-refused"),
        ({"answer": "granted"}, 400, "api-refused"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_asks_nobody(
    stay: Client, edge: Edge, changes: dict[str, Any], status: int, problem: str
) -> None:
    before = stay.ask("consent-requests").body
    reply = post(stay, "consent-requests", wanted(edge, **changes))
    assert (reply.status, reply.problem) == (status, problem)
    assert stay.ask("consent-requests").body == before


def test_a_body_that_is_no_json_or_too_large_is_refused(stay: Client) -> None:
    for body, kind, status in (
        (b"{", JSON, 400),
        (b"\xff", JSON, 400),
        (b"[" * 9_000, JSON, 400),
        (b"{}", "text/plain", 415),
        (b" " * 70_000, JSON, 413),
    ):
        reply = stay.ask("consent-requests", "POST", body, Content_Type=kind)
        assert reply.status == status
        assert reply.problem


# Repeating ----------------------------------------------------------------------------------------


def test_the_same_request_under_the_same_key_is_one_request(stay: Client, lake: Client, edge: Edge) -> None:
    first = post(stay, "consent-requests", wanted(edge), "key-1")
    again = post(stay, "consent-requests", wanted(edge), "key-1")
    assert (again.status, again.body) == (201, first.body)
    other = post(stay, "consent-requests", wanted(edge, reason="Another"), "key-1")
    assert (other.status, other.problem) == (422, "repeat-refused")
    elsewhere = post(stay, "patients", {}, "key-1")
    assert elsewhere.problem == "repeat-refused"
    assert post(lake, "consent-requests", wanted(edge), "key-1").body["id"] != first.body["id"]
    assert post(stay, "consent-requests", wanted(edge), "key-2").body["id"] != first.body["id"]
    assert post(stay, "consent-requests", wanted(edge)).body["id"] != first.body["id"]
    for key in ("x" * 201, "a b", "é"):
        assert (
            post(stay, "consent-requests", wanted(edge), key.encode().decode("latin-1")).problem
            == "api-refused"
        )


def test_a_refusal_is_not_kept_under_a_key(stay: Client, edge: Edge) -> None:
    assert post(stay, "consent-requests", wanted(edge, patient="0" * 64), "key-3").status == 404
    assert post(stay, "consent-requests", wanted(edge), "key-3").status == 201


def test_what_crashed_before_its_answer_was_kept_is_the_same_when_it_is_repeated(
    stay: Client, clerk: Client, edge: Edge
) -> None:
    tries = (
        (stay, "consent-requests", wanted(edge)),
        (clerk, "patients", {"name": "Crashed Once", "birth": "1990"}),
    )
    for asking, place, body in tries:
        first = post(asking, place, body, "key-4")
        assert first.status == 201
        for each in edge.story.organisations.values():
            each.books.drop(KEPT, [key for key, _ in each.books.rows(KEPT)])
        again = post(asking, place, body, "key-4").body
        assert (again.get("id"), again.get("patient")) == (first.body.get("id"), first.body.get("patient"))
    heard = [
        each.id.hex() for each in read_requests(edge.story.world.network, edge.story.holder(edge.story.adam))
    ]
    assert len(heard) == len(set(heard))
    names = [each["name"] for each in clerk.ask("patients?limit=200").body["items"]]
    assert names.count("Crashed Once") == 1


def test_an_answer_is_kept_for_a_week_and_then_dropped(edge: Edge) -> None:
    staff = edge.story.staff["Dr Lake"]
    token = tokens.issue(staff, Purpose.TREAT, 0, DAY)[0]
    who = tokens.Bearer(tokens.digest_of(token), staff, Purpose.TREAT, DAY, 0)
    answers, books = Answers(), staff.organisation
    one, other = repeats.repeat(who, "k", "POST /a?", b"1"), repeats.repeat(who, "k", "POST /a?", b"2")
    assert one.unique != other.unique
    assert repeats.repeat(who, "k", "POST /a?", b"1") == one
    answers.keep(books, one, 201, b"said", 1000)
    kept = repeats.answer_to(books, one, 1000 + WEEK - 1)
    assert kept is not None
    assert (kept.status, kept.body) == (201, b"said")
    with pytest.raises(RepeatRefused):
        repeats.answer_to(books, other, 1000)
    assert repeats.answer_to(books, one, 1000 + WEEK) is None
    answers.keep(books, repeats.repeat(who, "l", "POST /a?", b"1"), 201, b"x", 1000 + HOUR - 1)
    assert books.books.get(KEPT, one.name or b"") is not None
    answers.keep(books, repeats.repeat(who, "m", "POST /a?", b"1"), 201, b"x", 1000 + WEEK)
    assert books.books.get(KEPT, one.name or b"") is None
    nameless = repeats.repeat(who, None, "POST /a?", b"1")
    assert nameless.unique != repeats.repeat(who, None, "POST /a?", b"1").unique
    answers.keep(books, nameless, 201, b"x", 1000)
    assert repeats.answer_to(books, nameless, 1000) is None


# Registering --------------------------------------------------------------------------------------


def test_a_hospitals_post_registers_a_patient_and_one_that_the_matrix_does_not_let_write_that_does_not(
    clerk: Client, stay: Client, edge: Edge
) -> None:
    reply = post(clerk, "patients", {"name": NAME, "birth": BIRTH[:7], "national_id": "55-1"})
    assert reply.status == 201, reply.body
    made = reply.body["patient"]
    assert (made["name"], made["controller"]) == (NAME, "registrar")
    assert clerk.ask(f"patients/{made['alias']}").body == made
    assert edge.story.world.ledger.fresh_head().alias(bytes.fromhex(made["alias"])) is not None
    twin = post(clerk, "patients", {"name": NAME, "national_id": "55-1"}).body
    assert made["alias"] in twin["like"]
    researcher = client(edge, employed(edge, "City", "Researcher", Role.RESEARCHER))
    before = edge.story.world.ledger.fresh_head().head
    for stranger in (stay, researcher):
        refused = post(stranger, "patients", {"name": "Nobody"})
        assert (refused.status, refused.problem) == (403, "writing-refused")
    assert edge.story.world.ledger.fresh_head().head == before


def test_of_many_who_look_alike_some_are_named_and_a_repetition_is_answered(
    clerk: Client, edge: Edge
) -> None:
    books = edge.story.organisations["City"].books
    twins = [bytes([number]) * 32 for number in range(MOST_LIKE + 5)]
    rows = [Identity(alias, bytes(16), "Twin Namesake", "", "", "1970-01-01", bytes(32)) for alias in twins]
    books.put(IDENTITY, [(row.alias, row.encode()) for row in rows])
    try:
        person = {"name": "Twin Namesake", "birth": "1970-01-01"}
        made = post(clerk, "patients", person, "twins")
        assert len(made.body["like"]) == MOST_LIKE
        assert post(clerk, "patients", person, "twins").body == made.body
    finally:
        books.drop(IDENTITY, twins)


def test_nothing_about_a_patient_is_mandatory_and_a_date_is_one(clerk: Client) -> None:
    assert post(clerk, "patients", {}).status == 201
    for birth in ("1988", "1988-04", "2024-02-29"):
        assert post(clerk, "patients", {"birth": birth}).body["patient"]["birth"] == birth
    for birth in ("2999", "1988-13", "2023-02-29", "88", "1988-4", "tomorrow", "1988\n"):
        assert post(clerk, "patients", {"birth": birth}).problem == "api-refused"
    assert post(clerk, "patients", {"surname": "x"}).problem == "api-refused"


# Breaking the glass -------------------------------------------------------------------------------


@pytest.fixture
def nurse(edge: Edge) -> Client:
    return client(edge, employed(edge, "Delta", "Nurse, Delta", Role.NURSE))


@pytest.fixture
def operator(edge: Edge) -> Client:
    return client(edge, employed(edge, "Delta", "Operator, Delta", Role.OPERATOR))


@pytest.fixture
def doctor(edge: Edge) -> Staff:
    """One who opened nothing yet, so that no review is owed."""
    return employed(edge, "Delta", f"Dr {len(edge.story.world.keyring.labels())}, Delta", Role.DOCTOR)


def emergency(edge: Edge, **changes: Any) -> dict[str, Any]:
    return {"patient": edge.story.adam.hex(), "reason": "unconscious", **changes}


def proposed(edge: Edge, opener: Client) -> tuple[str, dict[str, Any]]:
    """The place where it is confirmed, and what has to be said there."""
    reply = post(opener, "emergency-proposals", emergency(edge))
    assert reply.status == 201, reply.body
    return f"emergency-proposals/{reply.body['id']}/confirmation", {"patient": edge.story.adam.hex()}


def condition(edge: Edge, staff: Staff, purpose: Purpose) -> Reply:
    asking = client(edge, staff, purpose)
    return asking.ask(f"{edge.gateway.base}/Condition?patient={edge.story.adam.hex()}")


def test_two_posts_break_the_glass_each_by_its_own_token_and_a_third_reviews(
    edge: Edge, doctor: Staff, nurse: Client, operator: Client, officer: Client
) -> None:
    opener = client(edge, doctor)
    assert condition(edge, doctor, Purpose.BTG).status == 403
    place, said = proposed(edge, opener)
    assert condition(edge, doctor, Purpose.BTG).status == 403
    waiting = nurse.ask("emergency-proposals").body["items"]
    assert place.split("/")[1] in {each["id"] for each in waiting}
    reply = post(nurse, place, said)
    assert reply.status == 201, reply.body
    entry = reply.body["entry"]
    assert (reply.body["state"], reply.body["justified"]) == ("open", None)
    assert post(nurse, place, said).body["entry"] == entry
    assert nurse.ask("emergency-proposals").body["items"] == []
    assert condition(edge, doctor, Purpose.BTG).matches
    for staff in (edge.story.staff["Dr Lake"], employed(edge, "Delta", "Dr Other, Delta", Role.DOCTOR)):
        assert condition(edge, staff, Purpose.BTG).status == 403
    assert post(nurse, f"emergencies/{entry}/review", {"justified": True}).problem == "act-refused"
    done = post(operator, f"emergencies/{entry}/review", {"justified": True})
    assert (done.status, done.body["state"], done.body["justified"]) == (200, "reviewed", True)
    assert post(operator, f"emergencies/{entry}/review", {"justified": True}).status == 200
    assert post(officer, f"emergencies/{entry}/review", {"justified": False}).problem == "ledger-refused"
    assert opener.ask(f"emergencies/{entry}").body == done.body


def opened(edge: Edge, opener: Staff, second: Client, **changes: Any) -> str:
    """An emergency's entry."""
    asked = emergency(edge, **changes)
    proposal = post(client(edge, opener), "emergency-proposals", asked).body["id"]
    reply = post(second, f"emergency-proposals/{proposal}/confirmation", {"patient": asked["patient"]})
    return str(reply.body["entry"])


def test_of_two_doctors_each_reads_by_the_emergency_that_was_opened_for_it(
    edge: Edge, doctor: Staff, nurse: Client
) -> None:
    other = employed(edge, "Delta", "Dr Later, Delta", Role.DOCTOR)
    opened(edge, doctor, nurse, seconds=3600)
    assert condition(edge, doctor, Purpose.BTG).matches
    assert condition(edge, other, Purpose.BTG).status == 403
    opened(edge, other, nurse)
    assert condition(edge, doctor, Purpose.BTG).matches
    assert condition(edge, other, Purpose.BTG).matches


def test_restricted_records_are_read_in_an_emergency_only_where_its_entry_names_them(
    edge: Edge, doctor: Staff, nurse: Client, clerk: Client
) -> None:
    story, city = edge.story, edge.story.organisations["City"]
    alias = post(clerk, "patients", {"name": "Guarded"}).body["patient"]["alias"]
    holder = kept_holder(city, bytes.fromhex(alias))
    guarded = Compartment(Category.DIAGNOSIS, Sensitivity.RESTRICTED)
    name_for_emergencies(story.world.network, holder, [guarded.number])
    author = client(edge, story.staff["Dr City"])
    for words, labels in (("asthma", []), ("guarded", [{"system": CONFIDENTIALITY, "code": "R"}])):
        made: dict[str, Any] = {
            "resourceType": "Condition",
            "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
            "code": {"text": words},
            "subject": {"reference": f"Patient/{alias}"},
        }
        if labels:
            made["meta"] = {"security": labels}
        body = json.dumps(made).encode()
        kind = {"Content_Type": "application/fhir+json"}
        reply = author.ask(f"{edge.gateway.base}/Condition", "POST", body, **kind)
        assert reply.status == 201, reply.body
    other = employed(edge, "Delta", "Dr Named, Delta", Role.DOCTOR)
    opened(edge, doctor, nurse, patient=alias)
    opened(edge, other, nurse, patient=alias, restricted=["diagnosis"])
    for staff, seen in ((doctor, {"asthma"}), (other, {"asthma", "guarded"})):
        asking = client(edge, staff, Purpose.BTG)
        found = asking.ask(f"{edge.gateway.base}/Condition?patient={alias}").matches
        assert {each["code"]["text"] for each in found} == seen


def test_nobody_confirms_an_emergency_alone_or_for_another_organisation(
    edge: Edge, doctor: Staff, nurse: Client, lake: Client, operator: Client
) -> None:
    opener, head = client(edge, doctor), edge.story.world.ledger.fresh_head().head
    place, said = proposed(edge, opener)
    assert post(opener, place, said).problem == "act-refused"
    assert post(client(edge, doctor), place, said).problem == "act-refused"  # another token, the same post
    outside = client(edge, employed(edge, "Lakeside", "Nurse, Lakeside", Role.NURSE))
    for stranger in (lake, outside):
        assert post(stranger, place, said).problem == "record-not-found"
        assert stranger.ask("emergency-proposals").body["items"] == []
    assert post(nurse, place, {"patient": edge.story.berta.hex()}).problem == "record-not-found"
    assert post(nurse, "emergency-proposals", emergency(edge)).problem == "act-refused"
    before = edge.story.world.ledger.fresh_head().head.number - head.number
    assert post(nurse, place, said).status == 201
    assert post(operator, place, said).problem == "record-not-found"  # the nurse's now
    assert before <= 1  # at most the stranger's own post was entered meanwhile


def test_a_proposal_is_over_after_a_quarter_of_an_hour(edge: Edge, doctor: Staff, nurse: Client) -> None:
    place, said = proposed(edge, client(edge, doctor))
    id = bytes.fromhex(place.split("/")[1])
    (waiting,) = [each for each in proposed_here(doctor.organisation, 0) if each.id == id]
    propose_emergency(doctor, replace(waiting, made=waiting.made - PROPOSED_FOR))
    assert post(nurse, place, said).problem == "record-not-found"
    assert nurse.ask("emergency-proposals").body["items"] == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"patient": "0" * 64}, "patient-not-found"),
        ({"reason": ""}, "api-refused"),
        ({"reason": "Rahima was found unconscious"}, "api-refused"),
        ({"seconds": 5 * 3600}, "api-refused"),
        ({"restricted": ["everything"]}, "api-refused"),
    ],
)
def test_an_emergency_that_cannot_be_is_not_proposed(
    edge: Edge, stay: Client, nurse: Client, changes: dict[str, Any], problem: str
) -> None:
    assert post(stay, "emergency-proposals", emergency(edge, **changes)).problem == problem
    assert nurse.ask("emergency-proposals").body["items"] == []


def test_who_opened_or_confirmed_an_emergency_reviews_nothing_and_other_organisations_see_nothing(
    edge: Edge, doctor: Staff, operator: Client, lake: Client, officer: Client
) -> None:
    place, said = proposed(edge, client(edge, doctor))
    entry = post(operator, place, said).body["entry"]
    found = {"justified": True}
    assert post(operator, f"emergencies/{entry}/review", found).problem == "act-refused"
    assert post(client(edge, doctor), f"emergencies/{entry}/review", found).problem == "act-refused"
    outside = client(edge, employed(edge, "Lakeside", "Operator, Lakeside", Role.OPERATOR))
    assert post(outside, f"emergencies/{entry}/review", found).problem == "record-not-found"
    for stranger in (lake, outside):
        assert stranger.ask(f"emergencies/{entry}").problem == "record-not-found"
        assert stranger.ask("emergencies").body["items"] == []
    assert entry in {each["entry"] for each in officer.ask("emergencies").body["items"]}
    assert post(officer, f"emergencies/{'0' * 64}/review", found).problem == "record-not-found"
    assert post(officer, f"emergencies/{entry}/review", {"justified": False}).body["justified"] is False
    facts = edge.story.world.ledger.fresh_head().break_glass(bytes.fromhex(entry))
    assert facts is not None
    assert facts.reviewer == officer_posts(edge.story.world)[0].number


# The ministry -------------------------------------------------------------------------------------


def test_an_officer_verifies_what_was_proposed_and_nobody_else_does(
    edge: Edge, officer: Client, clerk: Client, operator: Client
) -> None:
    world = edge.story.world
    made = world.keyring.new_organisation("Hilltop", Role.HOSPITAL)
    register.organisation(world.network, made, {Role.HOSPITAL}, licence("H-77"))
    world.board.publish_key(made.number, made.sealing.public)
    (pending,) = [
        each for each in officer.ask("parties?limit=200").body["items"] if each["name"] == "Hilltop"
    ]
    place = f"parties/{pending['id']}/verification"
    checked = {"licence": "H-77", "sealing_key": made.sealing.digest.hex()}
    for stranger in (clerk, operator):
        assert post(stranger, place, checked).problem == "act-refused"
    assert post(officer, place, {**checked, "licence": "H-78"}).problem == "ledger-refused"
    assert post(officer, place, {**checked, "sealing_key": "0" * 64}).problem == "ledger-refused"
    assert officer.ask(f"parties/{pending['id']}").body["party"]["status"] == "pending"
    assert post(officer, place, checked).body["party"]["status"] == "verified"
    assert post(officer, "parties/hos-0000000000001/verification", checked).problem == "party-not-found"


def test_an_officer_suspends_and_reinstates_and_nobody_else_does(
    edge: Edge, officer: Client, clerk: Client, lake: Client
) -> None:
    (lakeside,) = [
        each for each in clerk.ask("parties?limit=200").body["items"] if each["name"] == "Lakeside"
    ]
    place = f"parties/{lakeside['id']}"
    for act in ("suspension", "reinstatement"):
        assert post(clerk, f"{place}/{act}", {}).problem == "act-refused"
    assert lake.ask("posts/me").status == 200
    assert post(officer, f"{place}/suspension", {}).body["party"]["standing"] == "suspended"
    try:
        assert lake.ask("posts/me").problem == "party-not-verified"
        assert post(lake, "consent-requests", wanted(edge)).problem == "party-not-verified"
    finally:
        assert post(officer, f"{place}/reinstatement", {}).body["party"]["standing"] == "verified"
    assert lake.ask("posts/me").status == 200


def test_a_post_sees_whether_the_keys_here_are_those_of_the_ledger(stay: Client, edge: Edge) -> None:
    said = stay.ask("keys").body
    staff = edge.story.staff["Dr Stay"]
    assert said["post"]["signs_as"] == said["post"]["on_ledger"] == "0x" + staff.key.address.hex()
    assert said["organisation"]["on_ledger"] == "0x" + staff.organisation.controller.address.hex()
    assert not said["post"]["rotating"]
    name = staff.number.to_bytes(8, "big")
    staff.organisation.books.put("next-key", [(name, bytes(31) + b"\1")])
    try:
        assert stay.ask("keys").body["post"]["rotating"]
        assert not stay.ask("keys").body["organisation"]["rotating"]
    finally:
        staff.organisation.books.drop("next-key", [name])
