"""``careledger client``: apps and back-end services that an organisation lets ask for tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.app import clients, patients_apps
from careledger.cli import scoping
from careledger.cli.actors import organisation, staff
from careledger.cli.opening import office, opened
from careledger.cli.options import DATA, As, Data, Json, command, group
from careledger.cli.output import print_json, screen, tell
from careledger.cli.words import Facts, moment
from careledger.domain.consents import Purpose
from careledger.domain.errors import ClientRefused, KeySetRefused, ScopeRefused
from careledger.formats.apps import AppClient
from careledger.workflows.actors import Organisation

if TYPE_CHECKING:
    from careledger.app.world import World

Kind = Annotated[
    str, typer.Option("--kind", metavar="KIND", help="backend, or an app that is public or confidential.")
]
Post = Annotated[
    str, typer.Option("--post", metavar="POST", help="The post that a back-end service acts as.")
]
Keys = Annotated[Path | None, typer.Option("--keys", metavar="FILE", help="Its public keys, as a JWK Set.")]
KeysAt = Annotated[
    str, typer.Option("--keys-at", metavar="URL", help="Where they are instead, so that it can change them.")
]
Redirects = Annotated[
    list[str] | None,
    typer.Option("--redirect", metavar="URL", help="Where an app's people are led back to; several times."),
]
Launch = Annotated[str, typer.Option("--launch", metavar="URL", help="Where an app is launched from an EHR.")]

app = group("Apps and back-end services: register, list, remove.")


@command(
    app,
    "add",
    'careledger client add "night loader" --as "City Hospital" --post "records desk, City" --scope system/*.cruds '
    "--keys keys.json",
    'careledger client add "chart view" --as "City Hospital" --kind public --redirect https://app.example/after '
    "--scope user/*.rs",
    'careledger client add "my diary" --as "City Hospital" --kind public --for-patients --redirect '
    "https://diary.example/after --scope patient/*.rs",
)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    acting: As,
    scopes: Annotated[
        list[str], typer.Option("--scope", metavar="SCOPE", help="What at most it is given; several times.")
    ],
    kind: Kind = clients.BACKEND,
    post: Post = "",
    keys: Keys = None,
    keys_at: KeysAt = "",
    redirects: Redirects = None,
    launch: Launch = "",
    purpose: scoping.ForPurpose = "TREAT",
    for_patients: Annotated[
        bool,
        typer.Option(
            "--for-patients",
            help="Patients let it in, each by a consent to it: it is a party of its own, for PATRQT.",
        ),
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Register an app or a back-end service of one's own organisation; what it may see each patient decides.

    An app of patients (--for-patients) gets a post of its own on the ledger; careledger app allow lets it in.
    A back-end service proves itself by its key (private_key_jwt, RS384 or ES384) and gets tokens for five minutes.
    """
    with opened(data) if for_patients else office(data) as world:
        employer = organisation(world, acting)
        acts_as = staff(world, post, "--post") if post else None
        if acts_as is not None and acts_as.organisation.number != employer.number:
            raise typer.BadParameter("a post of another organisation", param_hint="--post")
        made = AppClient(
            name, kind, tuple(redirects or ()), launch, _read(keys), keys_at, " ".join(scopes),
            acts_as.number if acts_as else 0, scoping.purpose(purpose).code, world.clock.now(),
        )  # fmt: skip
        try:
            id = _added(world, employer, made, for_patients)
        except (ClientRefused, KeySetRefused, ScopeRefused) as error:
            raise typer.BadParameter(str(error)) from None
        tell(
            as_json,
            _facts(world, id, clients.registered(employer)[id]),
            f"Registered; its client id is {id}",
            "Remove it: careledger client remove.",
        )


@command(app, "list", 'careledger client list --as "City Hospital"')
def list_(acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """List the apps and back-end services of an organisation."""
    with office(data) as world:
        found = [_facts(world, *each) for each in clients.registered(organisation(world, acting)).items()]
    if as_json:
        print_json({"clients": found})
        return
    rows = [[each["client_id"], each["name"], each["kind"], each["post"], each["scopes"]] for each in found]
    screen().table(f"{len(found)} clients", ["client id", "name", "kind", "acts as", "scopes"], rows)


@command(app, "remove", 'careledger client remove CLIENT --as "City Hospital"')
def remove(
    named: Annotated[str, typer.Argument(metavar="CLIENT", help="The client id.")],
    acting: As,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Remove an app or a back-end service of one's own organisation: no token of it counts from now on."""
    with office(data) as world:
        employer = organisation(world, acting)
        found = clients.known(employer.books, named)
        if found is None:
            raise typer.BadParameter("no client of this organisation has that id", param_hint="CLIENT")
        patients_apps.remove(world, employer, named)
        tell(as_json, _facts(world, named, found), "Removed: no token of it counts from now on.")


def _added(world: World, employer: Organisation, client: AppClient, for_patients: bool) -> str:
    if not for_patients:
        if clients.is_of_patients(client):
            raise ClientRefused(
                why="an app acts as whoever signs in, or, --for-patients, as a post of its own"
            )
        return clients.add(employer, client)
    if client.post:
        raise ClientRefused(why="an app of patients gets a post of its own")
    return patients_apps.add(world, employer, replace(client, purpose=Purpose.PATRQT.code))


def _read(keys: Path | None) -> str:
    if keys is None:
        return ""
    try:
        return keys.read_text("utf-8")
    except (OSError, ValueError):
        raise ClientRefused(why="the file of its keys cannot be read") from None


def _facts(world: World, id: str, client: AppClient) -> Facts:
    return {
        "client_id": id,
        "name": client.name,
        "kind": client.kind,
        "redirects": list(client.redirects),
        "launch": client.launch,
        "keys_at": client.keys_at,
        "scopes": client.scopes,
        "post": world.keyring.labels().get(client.post, ""),
        "purpose": client.purpose,
        "registered": moment(client.made),
    }
