"""What is said of operations is what there is: the same names in the routes, the definitions and the statement."""

from __future__ import annotations

import json

from careledger.fhir.json_text import read
from careledger.fhir.validation.check import examine
from careledger.gateway.operations.definitions import OPERATIONS
from gateway.edge_world import Edge


def routed(edge: Edge) -> set[tuple[str, str]]:
    """What every operation is asked of, and its name."""
    made = set()
    for _, path in edge.gateway.routes():
        before, dollar, name = path.rpartition("/$")
        if dollar:
            made.add((before.removeprefix("/fhir").lstrip("/"), name))
    return made


def test_every_operation_has_a_definition_that_r4_allows_and_says_where_it_is_asked(edge: Edge) -> None:
    client, found = edge.client("Dr Stay"), set()
    for operation in OPERATIONS:
        reply = client.ask(f"OperationDefinition/{operation.name}")
        assert reply.status == 200, operation.name
        assert examine(read(json.dumps(reply.body).encode())).errors == ()
        [kind] = reply.body.get("resource", [""])
        kind = "{kind}" if kind == "Resource" else kind
        levels = [reply.body[level] for level in ("system", "type", "instance")]
        assert levels.count(True) == 1 + (operation.code == "summary")
        assert reply.body["system"] is not bool(kind)
        places = {kind: not reply.body["instance"] or reply.body["type"]}
        places[f"{kind}/{{id}}"] = reply.body["instance"]
        found |= {(place, reply.body["code"]) for place, there in places.items() if there}
    assert found == routed(edge)
    assert len(found) >= 5
    assert client.ask("OperationDefinition/purge-everything").status == 404


def test_what_may_refer_to_a_type_is_what_can_be_included_the_other_way_round(edge: Edge) -> None:
    said = edge.client("Dr City").ask("metadata").body["rest"][0]["resource"]
    by_type = {each["type"]: each for each in said}
    assert "Observation:subject" in by_type["Patient"]["searchRevInclude"]
    assert "Observation:subject" not in by_type["Medication"]["searchRevInclude"]
    includes = {each for one in said for each in one.get("searchInclude", ())}
    assert {each for one in said for each in one.get("searchRevInclude", ())} <= includes
    alias = edge.story.adam.hex()
    client = edge.client("Dr Stay")
    for each in by_type["Patient"]["searchRevInclude"]:
        reply = client.ask(f"Patient?_id={alias}&_revinclude={each}", Prefer="handling=strict")
        assert reply.status == 200, each


def test_the_capability_statement_names_every_operation_and_no_other(edge: Edge) -> None:
    rest = edge.stranger().ask("metadata").body["rest"][0]
    named = {kind["type"]: {each["name"] for each in kind["operation"]} for kind in rest["resource"]}
    of_patients = {name for kind, name in routed(edge) if kind.partition("/")[0] in ("Patient", "{kind}")}
    assert named["Patient"] == of_patients
    everywhere = {name for kind, name in routed(edge) if kind.partition("/")[0] == "{kind}"}
    assert named["Condition"] == everywhere == {"validate", "meta"}
    assert "meta" not in named["Group"] | named["Subscription"]
    assert {each["name"] for each in rest["operation"]} == {name for kind, name in routed(edge) if not kind}
