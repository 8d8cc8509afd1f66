"""Whatever is sent, the gateway answers with FHIR and never fails; and what is refused changes nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careledger.fhir.searching.parameters import parameters_of
from gateway.edge_world import JSON, Edge, Reply

FORM = "application/x-www-form-urlencoded"
TYPES = ("Condition", "Observation", "Patient", "Encounter", "Bundle", "Nothing", "condition", "")
RESULTS = (
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_elements",
    "_summary",
    "_total",
    "_format",
    "_page",
    "_has",
)
NAMES = sorted({name for kind in TYPES[:4] for name in parameters_of(kind)} | set(RESULTS))
MODIFIERS = (
    "",
    ":exact",
    ":contains",
    ":missing",
    ":not",
    ":text",
    ":identifier",
    ":Patient",
    ":above",
    ":",
    "::",
)
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", ",", "|", "a|b", "|b", "a|", "ge2020", "2020-02-30", "5.4|http://u|mg", "-1", "\\", "Patient/"]
    ),
    st.builds(lambda number: f"{number:064x}", st.integers(0, 2**256 - 1)),
)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_fhir(reply: Reply) -> None:
    assert reply.status < 500, (reply.status, reply.body)
    if reply.body is not None:
        assert reply.body["resourceType"] in ("OperationOutcome", "Bundle", "Patient", "CapabilityStatement")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-store"


@FUZZ
@given(
    kind=st.sampled_from(TYPES),
    query=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(MODIFIERS), VALUES), max_size=4),
    posted=st.booleans(),
    about=st.booleans(),
)
def test_any_search_is_answered(
    edge: Edge, kind: str, query: list[tuple[str, str, str]], posted: bool, about: bool
) -> None:
    client = edge.client("Dr Stay")
    said = "&".join(f"{name}{modifier}={quote(value)}" for name, modifier, value in query)
    if about:
        said += f"&patient={edge.story.adam.hex()}"
    if posted:
        assert_fhir(client.ask(f"{kind}/_search", "POST", said.encode(), Content_Type=FORM))
    else:
        assert_fhir(client.ask(f"{kind}?{said}"))


@FUZZ
@given(
    path=st.lists(st.text(max_size=10), max_size=5),
    query=st.text(max_size=20),
    method=st.sampled_from(["GET", "DELETE", "PUT", "PATCH", "POST"]),
)
def test_any_path_is_answered(edge: Edge, path: list[str], query: str, method: str) -> None:
    place = "/".join(quote(part, safe="") for part in path)
    body = None if method in ("GET", "DELETE") else b"{}"
    assert_fhir(edge.client("Dr Stay").ask(f"{place}?{quote(query)}", method, body, Content_Type=JSON))


@FUZZ
@given(
    said=st.one_of(st.binary(max_size=60), JSONS),
    place=st.sampled_from(["", "Condition", "Condition/$validate", "Patient"]),
)
def test_any_body_is_answered_and_what_is_refused_changes_nothing(edge: Edge, said: Any, place: str) -> None:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    before = edge.story.world.ledger.fresh_head().head
    reply = edge.client("Dr City").ask(place, "POST", body, Content_Type=JSON)
    assert_fhir(reply)
    assert reply.status != 201
    assert edge.story.world.ledger.fresh_head().head == before


@FUZZ
@given(
    names=st.dictionaries(
        st.sampled_from(
            [
                "Accept",
                "Prefer",
                "If-Match",
                "If-None-Match",
                "If-Modified-Since",
                "If-None-Exist",
                "Authorization",
            ]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
        max_size=4,
    )
)
def test_any_headers_are_answered(edge: Edge, names: dict[str, str]) -> None:
    client: Any = edge.client("Dr Stay")
    for path in (f"Condition?patient={edge.story.adam.hex()}", "Condition/1", "metadata"):
        assert_fhir(client.ask(path, **{name.replace("-", "_"): value for name, value in names.items()}))
