"""Patients as lists: those of this device, or an organisation's own table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from careledger.cli.opening import each_patient
from careledger.cli.overview import CONTROLLED, patient_facts
from careledger.cli.screen import Screen
from careledger.cli.words import NONE, Facts
from careledger.domain.parties import ControllerKind
from careledger.workflows.actors import Organisation
from careledger.workflows.register import identities

if TYPE_CHECKING:
    from careledger.app.world import World


def devices(world: World) -> list[Facts]:
    """The patients whose keys are on this device."""
    view = world.ledger.fresh_head()
    return [patient_facts(world, view, mine) for mine in each_patient(world)]


def of(world: World, registrar: Organisation) -> list[Facts]:
    """An organisation's own table, with who controls each alias now."""
    view, found = world.ledger.fresh_head(), []
    for row in identities(registrar):
        facts = view.alias(row.alias)
        found.append(
            {
                "name": row.name,
                "romanised": row.romanised,
                "birth": row.birth,
                "national_id": row.national_id,
                "alias": row.alias.hex(),
                "registration": row.registration.hex(),
                "controller": CONTROLLED[facts.kind if facts else ControllerKind.UNKNOWN],
            }
        )
    return sorted(found, key=lambda each: (each["name"], each["alias"]))


def show(screen: Screen, found: list[Facts], table: bool) -> None:
    """The table."""
    if not found:
        screen.says("No patients.")
        return
    columns = ("name", "romanised", "birth", "alias", "controller") if table else (
        "name", "alias", "controller", "registrar", "consents_standing")  # fmt: skip
    rows = [
        tuple(str(each[name])[:16] if name == "alias" else each[name] or NONE for name in columns)
        for each in found
    ]
    screen.table("Patients", [name.replace("_", " ") for name in columns], rows)
