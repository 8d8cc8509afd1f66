"""A post's program creates, changes and takes back records; each is the post's signed statement and nothing is lost."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

import story
from careledger.domain.consents import Permission
from gateway.edge_world import JSON, Client, Edge, Reply
from story import DIAGNOSIS


def condition(patient: str, text: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
            ]
        },
        "code": {"text": text},
        "subject": {"reference": f"Patient/{patient}"},
        "recordedDate": "2026-11-02",
    } | more


def post(client: Client, resource: Any, **headers: str) -> Reply:
    body = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    kind = "Condition" if isinstance(resource, bytes) else resource["resourceType"]
    return client.ask(kind, "POST", body, **{"Content_Type": JSON, **headers})


def put(client: Client, resource: dict[str, Any], id: str = "", **headers: str) -> Reply:
    path = f"{resource['resourceType']}/{id or resource['id']}"
    return client.ask(path, "PUT", json.dumps(resource).encode(), **{"Content_Type": JSON, **headers})


@pytest.fixture
def patient(edge: Edge) -> str:
    """Adam, who lets Dr City read and add diagnoses."""
    for permission in (Permission.VIEW, Permission.APPEND):
        edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), permission)
    return edge.story.adam.hex()


@pytest.fixture
def doctor(edge: Edge, patient: str) -> Client:
    return edge.client("Dr City")


def test_what_is_created_is_there_signed_and_at_the_place_that_is_told(
    edge: Edge, doctor: Client, patient: str
) -> None:
    made = post(doctor, condition(patient, "created asthma"))
    assert made.status == 201, made.body
    base, _, place = made.headers["Location"].partition("/fhir/")
    assert base == edge.gateway.url
    read = doctor.ask(place)
    assert (read.status, read.body) == (200, made.body)
    assert made.headers["ETag"] == f'W/"{made.body["meta"]["versionId"]}"'
    assert made.body["code"] == {"text": "created asthma"}
    found = [
        each
        for each in edge.story.read_own(edge.story.adam).records
        if each.handle.hex() == made.body["meta"]["versionId"]
    ]
    assert [each.manifest.author for each in found] == [edge.story.staff["Dr City"].number]
    assert (found[0].manifest.source, found[0].distrust) == ("signed", "")


@pytest.mark.parametrize("stated", ["2024", "2024-03"])
def test_of_a_record_of_which_only_the_year_is_known_everything_is_as_of_others(
    edge: Edge, doctor: Client, patient: str, stated: str
) -> None:
    made = post(doctor, condition(patient, "long ago", recordedDate=stated))
    assert made.status == 201, made.body
    place = f"Condition/{made.body['id']}"
    changed = put(doctor, made.body | {"code": {"text": "long ago, corrected"}})
    assert (changed.status, changed.body["recordedDate"]) == (200, stated)
    assert doctor.ask(place).body == changed.body
    [own] = [
        each
        for each in edge.story.read_own(edge.story.adam).records
        if each.handle.hex() == changed.body["meta"]["versionId"]
    ]
    assert (own.manifest.clinical_date, own.distrust) == (stated, "")


def test_a_plain_post_twice_creates_twice_and_with_an_idempotency_key_once(
    doctor: Client, patient: str
) -> None:
    twice = [post(doctor, condition(patient, "posted twice")) for _ in range(2)]
    assert [each.status for each in twice] == [201, 201]
    assert twice[0].body["id"] != twice[1].body["id"]
    keyed = [post(doctor, condition(patient, "posted once"), Idempotency_Key="order-7") for _ in range(2)]
    assert [each.status for each in keyed] == [201, 200]
    assert keyed[0].headers["Location"] == keyed[1].headers["Location"]


def test_a_key_names_one_request_and_another_under_it_is_refused(
    edge: Edge, doctor: Client, patient: str
) -> None:
    first = post(doctor, condition(patient, "by its key"), Idempotency_Key="order-8")
    assert first.status == 201
    before = edge.story.world.ledger.fresh_head().head.number
    other = post(doctor, condition(patient, "something else"), Idempotency_Key="order-8")
    assert (other.status, other.issue[0]) == (422, "conflict")
    assert post(doctor, condition(patient, "no key"), Idempotency_Key="order 8").status == 400
    assert edge.story.world.ledger.fresh_head().head.number == before
    again = post(doctor, condition(patient, "by its key"), Idempotency_Key="order-8")
    assert (again.status, again.headers["Location"]) == (200, first.headers["Location"])


def test_what_is_there_already_is_not_created_again_if_the_program_says_so(
    doctor: Client, patient: str
) -> None:
    coded = {"coding": [{"system": "http://snomed.info/sct", "code": "195967001"}], "text": "if none exist"}
    said = condition(patient, "", code=coded)
    made = [post(doctor, said, If_None_Exist="code=http://snomed.info/sct|195967001") for _ in range(2)]
    assert [each.status for each in made] == [201, 200]
    assert made[0].body == made[1].body
    assert post(doctor, said).status == 201
    several = post(doctor, said, If_None_Exist="code=195967001")
    assert (several.status, several.issue[0]) == (412, "multiple-matches")
    for unclear in ("", "shoe-size=44", "recorded-date=2026-02-31", "_count=1"):
        assert post(doctor, said, If_None_Exist=unclear).status == 400


def coded(patient: str, code: str, **more: Any) -> dict[str, Any]:
    coding = [{"system": "http://snomed.info/sct", "code": code}]
    return condition(patient, "") | {"code": {"coding": coding, "text": "by its code"}} | more


def put_where(client: Client, search: str, resource: dict[str, Any], **headers: str) -> Reply:
    body = json.dumps(resource).encode()
    return client.ask(
        f"{resource['resourceType']}?{search}", "PUT", body, **{"Content_Type": JSON, **headers}
    )


def test_an_update_by_a_search_creates_then_changes_the_one_that_matches(
    doctor: Client, patient: str
) -> None:
    search = "code=http://snomed.info/sct|38341003"
    elsewhere = put_where(doctor, search, coded(patient, "38341003", id=str(uuid.uuid4())))
    assert (elsewhere.status, elsewhere.issue[0]) == (405, "not-supported")
    first = put_where(doctor, search, coded(patient, "38341003"))
    assert first.status == 201, first.body
    again = put_where(doctor, search, coded(patient, "38341003", recordedDate="2026-11-03"))
    assert (again.status, again.body["id"], again.body["recordedDate"]) == (
        200,
        first.body["id"],
        "2026-11-03",
    )
    stale = put_where(doctor, search, coded(patient, "38341003"), If_Match=first.headers["ETag"])
    assert (stale.status, stale.issue[0]) == (412, "conflict")
    wrong = put_where(doctor, search, coded(patient, "38341003", id=str(uuid.uuid4())))
    assert (wrong.status, wrong.issue[0]) == (400, "invalid")
    assert post(doctor, coded(patient, "38341003")).status == 201
    several = put_where(doctor, search, coded(patient, "38341003"))
    assert (several.status, several.issue[0]) == (412, "multiple-matches")


def test_a_deletion_by_a_search_takes_back_the_one_that_matches(doctor: Client, patient: str) -> None:
    made = post(doctor, coded(patient, "73211009")).body
    one = f"Condition?patient={patient}&code=http://snomed.info/sct|73211009"
    assert doctor.ask(one, "DELETE").status == 204
    assert doctor.ask(f"Condition/{made['id']}").status == 410
    for nothing in (one, f"Encounter?patient={patient}&status=finished"):
        said = doctor.ask(nothing, "DELETE")
        assert (said.status, said.issue[0], said.body["issue"][0]["severity"]) == (
            200,
            "not-found",
            "information",
        )
    for _ in range(2):
        assert post(doctor, coded(patient, "73211009")).status == 201
    several = doctor.ask(one, "DELETE")
    assert (several.status, several.issue[0]) == (412, "multiple-matches")
    assert len(doctor.ask(one).matches) == 2


def test_a_search_that_says_too_little_or_names_another_changes_nothing(
    edge: Edge, doctor: Client, patient: str
) -> None:
    made = post(doctor, coded(patient, "44054006")).body
    code, eve = "code=http://snomed.info/sct|44054006", "0" * 64
    for search in ("", f"patient={patient}", "shoe-size=44", f"patient={eve}&{code}", "_count=1"):
        assert put_where(doctor, search, coded(patient, "44054006")).status == 400, search
    for search in ("", code, f"patient={patient}", f"patient={patient},{eve}&{code}"):
        assert doctor.ask(f"Condition?{search}", "DELETE").status == 400, search
    assert post(doctor, coded(patient, "44054006"), If_None_Exist=f"patient={eve}&{code}").status == 400
    assert doctor.ask(f"Condition/{made['id']}").body == made


def test_a_stranger_changes_nothing_by_a_search(edge: Edge, doctor: Client, patient: str) -> None:
    made = post(doctor, coded(patient, "22298006")).body
    stranger = edge.client("Dr Lake")
    code = "code=http://snomed.info/sct|22298006"
    changed = put_where(stranger, code, coded(patient, "22298006", recordedDate="2020-01-01"))
    assert (changed.status, changed.issue[0]) == (403, "forbidden")
    taken = stranger.ask(f"Condition?patient={patient}&{code}", "DELETE")
    assert (taken.status, taken.issue[0]) == (403, "forbidden")
    assert doctor.ask(f"Condition/{made['id']}").body == made


def test_a_patch_loses_nothing_that_another_program_changed_since_this_one_looked(
    edge: Edge, doctor: Client, patient: str
) -> None:
    made = post(doctor, condition(patient, "as it was made")).body
    path, other = f"Condition/{made['id']}", edge.client("Dr City")
    assert other.token != doctor.token
    assert doctor.ask(path).body["meta"]["versionId"] == made["meta"]["versionId"]
    assert put(other, made | {"code": {"text": "as the other left it"}}).status == 200
    added = json.dumps([{"op": "add", "path": "/note", "value": [{"text": "patched"}]}]).encode()
    patched = doctor.ask(path, "PATCH", added, Content_Type="application/json-patch+json")
    assert patched.status == 200, patched.body
    assert patched.body["code"] == {"text": "as the other left it"}
    assert patched.body["note"] == [{"text": "patched"}]


def test_a_deletion_of_a_version_that_another_program_changed_since_takes_nothing_back(
    edge: Edge, doctor: Client, patient: str
) -> None:
    made = post(doctor, condition(patient, "as it was made")).body
    path, other = f"Condition/{made['id']}", edge.client("Dr City")
    seen = doctor.ask(path).headers["ETag"]
    assert put(other, made | {"code": {"text": "as the other left it"}}).status == 200
    assert doctor.ask(path, "DELETE", If_Match=seen).status == 412
    assert doctor.ask(path, "DELETE", If_Match=doctor.ask(path).headers["ETag"]).status == 204


def test_a_patch_makes_the_next_version_and_one_that_does_not_fit_none(doctor: Client, patient: str) -> None:
    made = post(doctor, condition(patient, "to be patched")).body
    path = f"Condition/{made['id']}"

    def patch(*operations: Any, kind: str = "application/json-patch+json", **headers: str) -> Reply:
        return doctor.ask(path, "PATCH", json.dumps(operations).encode(), Content_Type=kind, **headers)

    words = {"op": "replace", "path": "/code/text", "value": "patched"}
    stale = patch(words, If_Match='W/"0"')
    assert (stale.status, stale.issue[0]) == (412, "conflict")
    for wrong in (
        {"op": "replace", "path": "/nothing/there", "value": 1},
        {"op": "test", "path": "/code/text", "value": "other"},
        {"op": "fly", "path": "/code"},
        {"op": "remove", "path": "/subject"},
        {"op": "replace", "path": "/id", "value": "another"},
        {"op": "replace", "path": "/code", "value": "no concept"},
        "no operation",
    ):
        assert patch(wrong).status == 400, wrong
    noted = {"op": "add", "path": "/note", "value": [{"text": "a"}]}
    doubled = {"op": "copy", "from": "/note", "path": "/code/extension"}
    large = {"op": "add", "path": "/note", "value": [{"text": "a" * 2**20}]}
    bomb = [{"op": "copy", "from": "/note", "path": f"/note/0/{at}"} for at in range(20)]
    for copying in ([noted, *[doubled] * 21], [large, *bomb]):
        refused = patch(*copying)
        assert (refused.status, "copies more than is done at once" in refused.issue[1]) == (400, True)
    assert patch(words, kind="application/fhir+json").status == 400
    assert doctor.ask(path).body == made
    changed = patch(words, If_Match=f'W/"{made["meta"]["versionId"]}"')
    assert (changed.status, changed.body["code"]) == (200, {"text": "patched"})
    assert doctor.ask(f"{path}/_history").body["total"] == 2


def operation(kind: str, where: str, **value: Any) -> dict[str, Any]:
    """One operation of a FHIRPath Patch."""
    parts: list[dict[str, Any]] = [
        {"name": "type", "valueCode": kind},
        {"name": "path", "valueString": where},
    ]
    parts += [{"name": "value", **value}] if value else []
    return {"name": "operation", "part": parts}


def by_path(client: Client, path: str, *operations: Any, **headers: str) -> Reply:
    """What is said to these operations on that record."""
    body = json.dumps({"resourceType": "Parameters", "parameter": list(operations)}).encode()
    return client.ask(path, "PATCH", body, **({"Content_Type": JSON} | headers))


def test_a_fhirpath_patch_makes_the_next_version_and_one_that_does_not_fit_none(
    edge: Edge, doctor: Client, patient: str
) -> None:
    made = post(doctor, condition(patient, "to be patched by path", note=[{"text": "a"}, {"text": "b"}])).body
    path = f"Condition/{made['id']}"

    words = operation("replace", "Condition.code.text", valueString="patched")
    stale = by_path(doctor, path, words, If_Match='W/"0"')
    assert (stale.status, stale.issue[0]) == (412, "conflict")
    for wrong, why in (
        (operation("delete", "Condition.note"), "Parameters.parameter[1]"),
        (operation("delete", "Condition.subject"), "subject"),
        (operation("replace", "Condition.id", valueId="another"), "Condition.id"),
        (operation("replace", "Condition.code.text", valueBoolean=True), "Parameters.parameter[1]"),
        (operation("replace", "Condition.recordedDate", valueDate="2026-02-31"), "Parameters.parameter[1]"),
        ({"name": "operation"}, "Parameters.parameter[1]"),
    ):
        refused = by_path(doctor, path, words, wrong)
        assert refused.status == 400, wrong
        assert why in refused.issue[1], wrong
        assert "patched" not in refused.issue[1], wrong
    assert by_path(doctor, path, words, Content_Type="text/plain").status == 415
    assert doctor.ask(path).body == made
    second = operation("delete", "Condition.note.where(text = 'a')")
    changed = by_path(doctor, path, words, second, If_Match=f'W/"{made["meta"]["versionId"]}"')
    assert (changed.status, changed.body["code"], changed.body["note"]) == (
        200,
        {"text": "patched"},
        [{"text": "b"}],
    )
    assert doctor.ask(f"{path}/_history").body["total"] == 2
    xml = (
        b'<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>'
        b'<part><name value="type"/><valueCode value="delete"/></part>'
        b'<part><name value="path"/><valueString value="Condition.note"/></part></parameter></Parameters>'
    )
    assert doctor.ask(path, "PATCH", xml, Content_Type="application/fhir+xml").status == 200
    assert "note" not in doctor.ask(path).body
    for stranger in ("Dr Lake", "clerk"):
        assert by_path(edge.client(stranger), path, words).status == 405
    said = edge.stranger().ask("metadata").body["patchFormat"]
    assert said == ["application/json-patch+json", JSON, "application/fhir+xml"]


def test_a_resource_is_validated_and_kept_nowhere(edge: Edge, doctor: Client, patient: str) -> None:
    before = edge.story.world.ledger.fresh_head().head

    def validate(resource: Any, kind: str = "Condition") -> list[tuple[str, str]]:
        body = json.dumps(resource).encode()
        reply = doctor.ask(f"{kind}/$validate", "POST", body, Content_Type=JSON)
        assert (reply.status, reply.body["resourceType"]) == (200, "OperationOutcome")
        return [(each["severity"], each.get("expression", [""])[0]) for each in reply.body["issue"]]

    assert validate(condition(patient, "fine")) == [("information", "")]
    assert ("error", "code") in validate(condition(patient, "", code="no concept"))
    assert validate(condition(patient, "", recordedDate="2026-02-31"))[0][0] == "error"
    assert validate(condition(patient, "fine"), "Observation")[0] == ("error", "resourceType")
    assert validate([])[0][0] == "error"
    assert edge.story.world.ledger.fresh_head().head == before


def test_minimal_answers_are_empty(doctor: Client, patient: str) -> None:
    made = post(doctor, condition(patient, "minimal"), Prefer="return=minimal")
    assert (made.status, made.body) == (201, None)
    assert doctor.ask(made.headers["Location"]).status == 200


def test_an_update_is_the_next_version_and_the_one_before_stays(doctor: Client, patient: str) -> None:
    first = post(doctor, condition(patient, "first words")).body
    changed = {**first, "code": {"text": "second words"}}
    second = put(doctor, changed, If_Match=f'W/"{first["meta"]["versionId"]}"')
    assert second.status == 200, second.body
    assert second.body["code"] == {"text": "second words"}
    assert second.body["id"] == first["id"]
    history = doctor.ask(f"Condition/{first['id']}/_history").body
    assert [each["resource"]["code"]["text"] for each in history["entry"]] == ["second words", "first words"]
    assert doctor.ask(f"Condition/{first['id']}/_history/{first['meta']['versionId']}").body == first
    assert doctor.ask(f"Condition/{first['id']}").body == second.body
    late = put(doctor, changed, If_Match=f'W/"{first["meta"]["versionId"]}"')
    assert (late.status, late.issue[0]) == (412, "conflict")
    assert put(doctor, {**changed, "code": {"text": "third"}}).status == 200


def test_anothers_record_is_changed_by_consent_to_amend_alone(
    edge: Edge, doctor: Client, patient: str
) -> None:
    others = [
        each
        for each in doctor.ask(f"Condition?patient={patient}").matches
        if each["code"]["text"] not in (story.ILLNESS, story.LATER_ILLNESS) and "encounter" in each
    ]
    refused = put(doctor, {**others[0], "code": {"text": "amended"}})
    assert (refused.status, refused.issue[0]) == (403, "forbidden")
    assert doctor.ask(f"Condition/{others[0]['id']}").body == others[0]


def test_an_update_of_what_is_not_shown_or_of_another_id_changes_nothing(
    doctor: Client, patient: str
) -> None:
    doctor.ask(f"Condition?patient={patient}")
    made = post(doctor, condition(patient, "keeps its words")).body
    unknown = str(uuid.uuid4())
    assert put(doctor, {**made, "id": unknown}).status == 405
    assert put(doctor, {**made, "id": unknown}, made["id"]).status == 400
    assert put(doctor, {"resourceType": "Patient", "id": patient}).status == 405
    moved = put(doctor, {**made, "subject": {"reference": f"Patient/{'0' * 64}"}})
    assert (moved.status, moved.issue[0]) == (400, "invalid")
    assert "another patient" in moved.issue[1]
    wrong = put(doctor, {**made, "code": "no concept"})
    assert (wrong.status, wrong.issue[0]) == (400, "invalid")
    assert doctor.ask(f"Condition/{made['id']}").body == made


def test_what_is_deleted_is_taken_back_and_gone_afterwards(edge: Edge, doctor: Client, patient: str) -> None:
    made = post(doctor, condition(patient, "entered in error")).body
    path = f"Condition/{made['id']}"
    for stranger in ("Dr Stay", "Dr Lake"):
        other = edge.client(stranger)
        other.ask(f"Condition?patient={patient}")
        refused = other.ask(path, "DELETE")
        assert refused.status == (403 if stranger == "Dr Stay" else 404)
    assert doctor.ask(path).status == 200
    assert doctor.ask(path, "DELETE").status == 204
    gone = doctor.ask(path)
    assert (gone.status, gone.issue[0]) == (410, "deleted")
    assert made["id"] not in {each["id"] for each in doctor.ask(f"Condition?patient={patient}").matches}
    assert doctor.ask(path, "DELETE").status == 204
    assert edge.client("Dr Stay").ask(path).status == 404
    assert doctor.ask(f"Condition/{uuid.uuid4()}", "DELETE").status == 404
    assert doctor.ask("Condition/not-an-id", "DELETE").status == 404


@pytest.mark.parametrize(
    ("resource", "says"),
    [
        ({"resourceType": "Condition", "code": {"text": "whose?"}}, "subject"),
        (condition("0" * 63, "nobody's"), "patient"),
        (condition("", "none"), "subject.reference"),
        (b"{", ""),
        (b'{"resourceType": "Observation"}', ""),
        (b'{"resourceType": "Condition", "resourceType": "Condition"}', ""),
        (b"[" * 100_000, ""),
    ],
)
def test_what_cannot_be_created_is_told_why(doctor: Client, resource: Any, says: str) -> None:
    refused = post(doctor, resource)
    assert (refused.status, refused.issue[0]) == (400, "invalid")
    assert says in refused.issue[1]


def test_a_patient_whom_nobody_knows_is_not_written_to(doctor: Client) -> None:
    assert post(doctor, condition("0" * 64, "nobody's")).status == 404


def test_without_consent_it_is_kept_apart_and_the_writer_is_told(edge: Edge) -> None:
    client = edge.client("Dr Lake")
    made = post(client, condition(edge.story.berta.hex(), "unasked"))
    assert made.status == 201, made.body
    assert made.issue[0] == "informational"
    assert made.headers["Location"]
    found = [each for each in edge.story.read_own(edge.story.berta).records if each.apart]
    assert [story.said(each.body.canonical) for each in found] == ["unasked"]


def test_an_organisations_own_writing_is_read_back_without_consent_and_by_nobody_else(edge: Edge) -> None:
    writing = edge.client("Dr Lake")
    made = post(writing, condition(edge.story.berta.hex(), "one's own")).headers["Location"]
    path, _, version = made.partition("/_history/")
    read = edge.client("Dr Lake").ask(path)
    assert (read.status, read.body["code"]) == (200, {"text": "one's own"})
    assert read.body["meta"]["versionId"] == version
    assert edge.client("Dr Lake").ask(made).body == read.body
    history = edge.client("Dr Lake").ask(f"{path}/_history").body
    assert (history["total"], history["entry"][0]["resource"]) == (1, read.body)
    for other in ("Dr City", "Dr Stay"):
        assert edge.client(other).ask(path).status == 404
    assert edge.client("Dr Lake").ask(path.replace("Condition", "Observation")).status == 404
    assert writing.ask(path, "DELETE").status == 204
    assert edge.client("Dr Lake").ask(path).status == 410


def test_a_nurse_reads_nothing_of_the_own_chart_that_the_matrix_keeps_from_nurses(
    edge: Edge, doctor: Client, patient: str
) -> None:
    made = post(doctor, condition(patient, "not for nurses")).headers["Location"]
    assert edge.client("Dr City").ask(made).status == 200
    assert edge.client("clerk").ask(made).status == 404


def test_a_role_that_may_not_write_it_is_refused(edge: Edge, patient: str) -> None:
    refused = post(edge.client("clerk"), condition(patient, "by a nurse"))
    assert (refused.status, refused.issue[0]) == (403, "forbidden")


@pytest.mark.parametrize("body", [b"[1", b"{} {}", b"nonsense", b"", b'{"resourceType": 1e}'])
def test_a_body_that_is_no_json_is_refused_without_a_place_that_says_nothing(edge: Edge, body: bytes) -> None:
    for path in ("Condition", "Condition/$validate", "Patient/$match"):
        refused = edge.client("Dr City").ask(path, "POST", body, Content_Type=JSON)
        words = refused.body["issue"][0]["diagnostics"]
        assert " ," not in words
        assert "path" not in words
