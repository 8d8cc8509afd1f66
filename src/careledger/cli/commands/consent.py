"""``careledger consent``."""

from __future__ import annotations

from careledger.cli import consents
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Data, Json, Patient, command, group
from careledger.cli.output import print_json, screen

app = group("What a patient has granted.")


@command(app, "list", "careledger consent list velvet")
def list_consents(named: Patient, data: Data = DATA, as_json: Json = False) -> None:
    """List every consent that a patient gave: to whom, for what, until when, and how it stands on the ledger."""
    with opened(data) as world:
        found = consents.facts(world, patient(world, named))
        print_json(found) if as_json else consents.print_consents(screen(), found)
