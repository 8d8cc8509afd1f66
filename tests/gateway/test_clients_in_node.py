"""FHIR's clients for JavaScript (npm fhir-kit-client and @medplum/core) talk to the gateway as to any server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from contracts.loading import script
from gateway.edge_world import Edge
from gateway.ward import Ward

DEV = script("tools/dev_nodes.py")
SCRIPT = Path(__file__).with_name("fhir_clients.mjs")
TOLD = {
    "kit version": "4.0.1",
    "kit smart": "/oauth/token",
    "kit create": "kit",
    "kit vread": True,
    "kit update": "changed",
    "kit update by search": "anew",
    "kit patch": "patched",
    "kit search": ["patched"],
    "kit search by POST": ["patched"],
    "kit history": 4,
    "kit everything": "searchset",
    "kit batch": ["200 OK", "404", "201 Created"],
    "kit delete": "done",
    "medplum create": "medplum",
    "medplum unless there": True,
    "medplum upsert": "anew",
    "medplum patch": "patched",
    "medplum pages": 1,
    "medplum history": 3,
    "medplum summary": "document",
    "medplum validate": "This is valid FHIR R4.",
    "medplum in one batch": ["Condition", "Patient"],
}


@pytest.fixture(scope="module")
def modules() -> list[str]:
    """Where the clients are; skipped where they cannot be had, unless everything is required."""
    try:
        return [DEV.KIT.install().as_uri(), DEV.MEDPLUM.install().as_uri()]
    except DEV.NoNode as error:
        if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


def test_clients_for_javascript_do_what_they_do_with_any_server(edge: Edge, modules: list[str]) -> None:
    ward = Ward(edge)
    asked = [*modules, edge.gateway.base, ward.reader.token, ward.patient().alias.hex()]
    said = subprocess.run(
        ["node", str(SCRIPT), *asked], capture_output=True, text=True, timeout=300, check=False
    )
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    gone = told.pop("kit gone")
    assert told == TOLD
    assert gone.startswith("410 ")
