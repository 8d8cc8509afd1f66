"""``careledger did``."""

from __future__ import annotations

from typing import Annotated

import typer

from careledger.cli.actors import actor
from careledger.cli.opening import opened, patient
from careledger.cli.options import DATA, Data, Json, command, group
from careledger.cli.output import print_json

app = group("Decentralised identifiers (W3C DIDs): show a party's or a person's, resolve one.")


@command(
    app,
    "show",
    'careledger did show "City Hospital"',
    'careledger did show "Dr Rahman" --at https://city.example',
    "careledger did show velvet --person",
)
def show(
    named: Annotated[
        str, typer.Argument(metavar="NAME", help="An organisation, a post, or with --person a patient.")
    ],
    at: Annotated[
        str,
        typer.Option("--at", metavar="URL", help="The address that its gateway has outside, for a did:web."),
    ] = "",
    person: Annotated[
        bool, typer.Option("--person", help="A patient of this device: a did:key, as secret as the alias.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Show a DID with its document, as the ledger has it now."""
    from careledger.app import dids

    with opened(data) as world:
        if person:
            did = dids.person_did(patient(world, named).holder.controller)
            found = dids.resolve(did)
        else:
            found = dids.document(world, actor(world, named).number, base=at)
    print_json({"did": found["id"], "document": found} if as_json else found)


@command(app, "resolve", "careledger did resolve did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme")
def resolve(
    did: Annotated[str, typer.Argument(metavar="DID", help="A did:key, did:web or did:careledger.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Resolve a DID: a did:key by itself, a did:web by fetching its document, a did:careledger on the ledger."""
    from careledger.app import dids

    if did.startswith("did:careledger:"):
        with opened(data) as world:
            found = dids.resolve(did, world)
    else:
        found = dids.resolve(did)
    print_json({"did": did, "document": found} if as_json else found)
