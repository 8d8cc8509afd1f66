"""What fits the document, and what nearly does, is answered as the document says: schemathesis asks the server."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import schemathesis
import urllib3
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from careledger.app import tokens
from careledger.app.world import officer_posts
from careledger.domain.consents import Purpose
from careledger.gateway.api.rows import BASE
from careledger.gateway.api.table import ROWS
from gateway.edge_world import DAY, Edge

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EACH = 12
"""Requests for each operation and kind of data."""


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_one_of_the_document_and_none_is_a_failure(edge: Edge, mode: GenerationMode) -> None:
    world = edge.story.world
    said = urllib3.request("GET", f"{edge.gateway.url}{BASE}/openapi.json").json()
    del said[
        "security"
    ]  # every request brings a token in force: whoever brings none is refused before all else
    schema = schemathesis.openapi.from_dict(said)
    schema.config.update(base_url=f"{edge.gateway.url}{BASE}")
    schema.config.generation.update(modes=[mode])
    statuses: Counter[int] = Counter()
    asked = 0
    for number, found in enumerate(schema.get_all_operations()):
        assert isinstance(found, Ok)
        operation = found.ok()
        raw = operation.definition.raw
        if mode is GenerationMode.NEGATIVE and not (raw["parameters"] or "requestBody" in raw):
            continue  # nothing could be wrong with it
        staff = officer_posts(world)[0] if number % 2 else edge.story.staff["Dr City"]
        token = tokens.issue(staff, Purpose.TREAT, world.clock.now(), DAY)[0]  # each has a pace of its own

        @settings(
            max_examples=EACH, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(token: str, case: Any) -> None:
            reply = case.call(headers={"Authorization": f"Bearer {token}"})
            statuses[reply.status_code] += 1
            case.validate_response(reply, checks=CHECKS)

        ask(token)
        asked += 1
    whole = len(ROWS) if mode is GenerationMode.POSITIVE else len(ROWS) - 6
    assert asked >= whole
    assert statuses[200 if mode is GenerationMode.POSITIVE else 400] >= len(ROWS) // 2, statuses
    assert not set(statuses) & {401, 429}
