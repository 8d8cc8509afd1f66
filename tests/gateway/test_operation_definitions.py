"""What is said of operations is what there is: the same names in the routes, the definitions and the statement."""

from __future__ import annotations

import json

from careledger.fhir.json_text import read
from careledger.fhir.validation.check import examine
from gateway.edge_world import Edge


def routed(edge: Edge) -> dict[str, set[str]]:
    """The paths of every operation, by its name."""
    made: dict[str, set[str]] = {}
    for _, path in edge.gateway.routes():
        before, dollar, name = path.rpartition("/$")
        if dollar:
            made.setdefault(name, set()).add(before.removeprefix("/fhir/"))
    return made


def test_every_operation_has_a_definition_that_r4_allows_and_says_where_it_is_asked(edge: Edge) -> None:
    client, found = edge.client("Dr Stay"), routed(edge)
    assert len(found) >= 3
    for name, paths in found.items():
        reply = client.ask(f"OperationDefinition/{name}")
        assert reply.status == 200, name
        assert examine(read(json.dumps(reply.body).encode())).errors == ()
        kind = "{kind}" if reply.body["resource"] == ["Resource"] else reply.body["resource"][0]
        assert paths == {f"{kind}/{{id}}" if reply.body["instance"] else kind}
        assert reply.body["type"] is not reply.body["instance"]
    assert client.ask("OperationDefinition/purge-everything").status == 404


def test_the_capability_statement_names_every_operation_and_no_other(edge: Edge) -> None:
    types = edge.stranger().ask("metadata").body["rest"][0]["resource"]
    named = {kind["type"]: {each["name"] for each in kind["operation"]} for kind in types}
    assert named["Patient"] == set(routed(edge))
    everywhere = {name for name, paths in routed(edge).items() if paths == {"{kind}"}}
    assert named["Condition"] == everywhere == {"validate"}
