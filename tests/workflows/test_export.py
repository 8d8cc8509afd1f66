"""A patient takes the whole record away in the clear."""

from __future__ import annotations

import json

from careledger.workflows.actors import Holder
from careledger.workflows.amend import amend
from careledger.workflows.export import as_fhir, originals
from careledger.workflows.retrieve import Record
from world import DIAGNOSIS, GENERAL, World, condition, version

ALLERGY = {"resourceType": "AllergyIntolerance", "code": {"text": "peanut"}}
BOTH = (DIAGNOSIS, GENERAL)


def with_history(world: World) -> tuple[Holder, list[Record]]:
    """A claimed patient with an amended diagnosis and an allergy."""
    holder = world.patient()
    world.put(
        world.writer(),
        holder.alias,
        condition(world.doctor, "asthma"),
        version(ALLERGY, GENERAL, world.doctor),
    )
    before = world.read_as_registrar(holder).records[0]
    amend(
        world.network, world.writer(), world.statement(holder.alias), before, condition(world.doctor, "copd")
    )
    mine = world.claim(holder).holder
    return mine, list(world.read_own(mine, BOTH).records)


def test_the_current_versions_are_given_as_one_fhir_bundle_and_all_originals_as_they_came(
    world: World,
) -> None:
    _, records = with_history(world)
    bundle = json.loads(b"".join(as_fhir(world.network, records)))
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    given = sorted(entry["resource"]["code"]["text"] for entry in bundle["entry"])
    assert given == ["copd", "peanut"]
    assert json.loads(originals(records)[0])["code"]["text"] == "asthma"
    assert len(originals(records)) == 3


def test_an_empty_record_is_an_empty_bundle(world: World) -> None:
    assert json.loads(b"".join(as_fhir(world.network, []))) == {
        "resourceType": "Bundle",
        "type": "collection",
    }
