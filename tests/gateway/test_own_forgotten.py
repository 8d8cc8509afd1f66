"""What an organisation took back, moved, undid or had erased is not read as its own writing any more; copies stay."""

from __future__ import annotations

import json
import secrets
import uuid
from typing import Any

import pytest

from careledger.domain.consents import Permission
from careledger.domain.errors import CareLedgerError
from careledger.domain.records import Ground
from careledger.fhir.split import import_bundle
from careledger.gateway.server import Gateway
from careledger.workflows.batches import Writer
from careledger.workflows.chart import copies, read_back
from careledger.workflows.epochs import own_statement
from careledger.workflows.erase import erase
from careledger.workflows.from_fhir import staged
from careledger.workflows.import_file import namespace_of
from careledger.workflows.intake import take_in
from careledger.workflows.move import move
from careledger.workflows.retract import RETRACTED, retract
from careledger.workflows.undo_import import undo_import
from gateway.edge_world import Client, Edge
from gateway.ward import ILLNESS, Ward
from story import DIAGNOSIS


@pytest.fixture
def ward(edge: Edge) -> Ward:
    return Ward(edge)


def test_what_a_command_took_back_is_gone_and_its_history_says_that_alone(ward: Ward) -> None:
    holder = ward.patient()
    wrong, right = ward.written(holder), ward.written(holder, "right")
    version = ward.reader.ask(wrong).body["meta"]["versionId"]
    retract(ward.network, ward.writer, own_statement(holder)[0], [bytes.fromhex(version)])
    for path in (wrong, f"{wrong}/_history/{version}"):
        gone = ward.reader.ask(path)
        assert (gone.status, gone.issue[0]) == (410, "deleted"), path
    history = ward.reader.ask(f"{wrong}/_history")
    assert (history.status, history.body["type"]) == (200, "history")
    (entry,) = history.body["entry"]
    assert (entry["request"], entry["response"]["status"]) == ({"method": "DELETE", "url": wrong}, "204")
    assert "resource" not in entry
    assert "entry" not in ward.reader.ask(f"{wrong}/_history?_since=2999-01-01").body
    assert ward.reader.ask(f"{wrong.replace('Condition', 'Observation')}/_history").status in (404, 410)
    assert ward.reader.ask(right).status == 200
    assert ILLNESS not in json.dumps(ward.reader.ask(f"{wrong}/_history").body)
    assert len(copies(ward.city, holder.alias)) == 2


def test_that_something_was_taken_back_is_told_to_nobody_who_could_not_have_read_it(ward: Ward) -> None:
    holder = ward.patient()
    path = ward.written(holder)
    retract(ward.network, ward.writer, own_statement(holder)[0], ward.handles(holder))
    unknown = f"Condition/{uuid.uuid4()}"
    assert ward.reader.ask(path).status == 410
    for stranger in ("clerk", "Dr Lake", "Dr Stay"):  # the matrix lets no nurse read diagnoses
        client = ward.edge.client(stranger)
        for more in ("", "/_history"):
            refused = client.ask(path + more)
            assert (refused.status, refused.body) == (404, client.ask(unknown + more).body), stranger


def test_of_several_versions_those_that_were_taken_back_are_not_shown(ward: Ward) -> None:
    holder = ward.patient()
    path = ward.written(holder)
    statement = own_statement(holder)[0]
    made = ward.reader.ask(path).body
    changed = {
        **made,
        "code": {"text": "corrected"},
        "subject": {"reference": f"Patient/{holder.alias.hex()}"},
    }
    ward.reader.ask(f"Condition?patient={holder.alias.hex()}")
    client = ward.reader
    client.ask(f"Condition?patient={holder.alias.hex()}")
    sent = json.dumps(changed).encode()
    assert client.ask(path, "PUT", sent, Content_Type="application/fhir+json").status == 200
    first, second = ward.handles(holder)
    retract(ward.network, ward.writer, statement, [first])
    history = ward.reader.ask(f"{path}/_history").body
    assert [each["resource"]["code"]["text"] for each in history["entry"]] == ["corrected"]
    assert ward.reader.ask(path).body["meta"]["versionId"] == second.hex()
    retract(ward.network, ward.writer, statement, [second])
    assert ward.reader.ask(path).status == 410


def test_a_retraction_that_every_custodian_refuses_hides_nothing(ward: Ward) -> None:
    holder = ward.patient()
    path = ward.written(holder)
    lake = ward.edge.story.staff["Dr Lake"]
    stranger = Writer(lake.organisation, Ground.REGISTRAR, ward.edge.story.session(lake))
    with pytest.raises(CareLedgerError):
        retract(ward.network, stranger, own_statement(holder)[0], ward.handles(holder))
    assert ward.reader.ask(path).status == 200
    assert list(lake.organisation.books.rows(RETRACTED)) == []


def entries_about(ward: Ward, path: str) -> str:
    """What the history of everything says about a record."""
    entries = ward.reader.ask("_history?_count=1000").body["entry"]
    return json.dumps([each for each in entries if path in each.get("fullUrl", "")])


def test_what_was_moved_is_read_as_the_right_persons_alone(ward: Ward) -> None:
    wrong, right = ward.patient(), ward.patient()
    path = ward.written(wrong)
    [record] = ward.records(wrong)
    here, there = own_statement(wrong)[0], own_statement(right)[0]
    made = move(ward.network, ward.writer, here, ward.writer, there, [record], "the right one", ward.doctor)
    ward.edge.gateway._desk.charts.of(ward.city).look_again()
    assert ward.reader.ask(path).body["meta"]["versionId"] == made.successor.hex()
    assert ward.reader.ask(f"{path}/_history").body["total"] == 1
    assert ward.reader.ask(f"{path}/_history/{record.handle.hex()}").status == 404
    assert '"DELETE"' not in entries_about(ward, path)
    assert ward.reader.ask(path, "DELETE").status == 204
    assert ward.reader.ask(path).status == 410
    assert '"DELETE"' in entries_about(ward, path)
    assert ward.records(right) == []


def export(words: str) -> bytes:
    told: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "p1"},
        {
            "resourceType": "Condition",
            "id": "c1",
            "code": {"text": words},
            "subject": {"reference": "Patient/p1"},
        },
    ]
    return json.dumps(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in told]}
    ).encode()


def test_what_was_undone_with_its_import_is_as_if_never_written_until_it_is_imported_again(
    ward: Ward,
) -> None:
    nurse = ward.edge.story.session(ward.edge.story.staff["clerk"])

    def imported(run: bytes) -> str:
        report = import_bundle(export("undone"), "f", namespace=namespace_of(ward.city))
        _, [taken] = take_in(ward.network, nurse, staged(report), run=run)
        both = {**taken.deposited.known, **taken.deposited.handles}
        [record_id] = [each for each in both if _kind(ward, taken.alias or b"", each) == "Condition"]
        return f"Condition/{uuid.UUID(bytes=record_id)}"

    run = secrets.token_bytes(16)
    path = imported(run)
    with Gateway(ward.edge.story.world, port=0) as gateway:
        client = Client(gateway.base, ward.edge.token("Dr City"))
        assert client.ask(path).body["code"] == {"text": "undone"}
        assert all(each.error is None for each in undo_import(ward.network, nurse, run))
        gone, unknown = client.ask(path), client.ask(f"Condition/{uuid.uuid4()}")
        assert (gone.status, gone.body) == (404, unknown.body)
    assert imported(secrets.token_bytes(16)) == path
    with Gateway(ward.edge.story.world, port=0) as gateway:
        again = Client(gateway.base, ward.edge.token("Dr City"))
        assert again.ask(path).body["code"] == {"text": "undone"}
        assert again.ask(f"{path}/_history").body["total"] == 1


def _kind(ward: Ward, alias: bytes, record_id: bytes) -> str:
    handle = next(each.handle for each in copies(ward.city, alias) if each.record_id == record_id)
    canonical = read_back(ward.network, ward.city, handle).body.canonical
    return str(json.loads(canonical)["resourceType"])


def test_what_its_patient_had_erased_is_not_read_any_more_and_its_copy_stays(ward: Ward) -> None:
    story, adam = ward.edge.story, ward.edge.story.adam
    client = ward.edge.client("Dr City")
    sent = {
        "resourceType": "Condition",
        "code": {"text": "to be erased"},
        "subject": {"reference": f"Patient/{adam.hex()}"},
    }
    story.grant(adam, ward.doctor, (DIAGNOSIS,), Permission.APPEND)
    made = client.ask("Condition", "POST", json.dumps(sent).encode(), Content_Type="application/fhir+json")
    assert made.status == 201, made.body
    path, _, version = made.headers["Location"].partition("/fhir/")[2].partition("/_history/")
    assert ward.edge.client("Dr City").ask(path).status == 200
    versions = [each for each in story.read_own(adam).records if each.handle.hex() == version]
    erase(ward.network, story.holder(adam), versions, "by-wish")
    gone, unknown = (ward.edge.client("Dr City").ask(each) for each in (path, f"Condition/{uuid.uuid4()}"))
    assert (gone.status, gone.body) == (404, unknown.body)
    assert entries_about(ward, path) == "[]"
    kept = read_back(ward.network, ward.city, bytes.fromhex(version)).body.canonical
    assert json.loads(kept)["code"] == {"text": "to be erased"}
