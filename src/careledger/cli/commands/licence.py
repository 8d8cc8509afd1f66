"""``careledger licence``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careledger.cli import licences
from careledger.cli.actors import member, officer, organisation
from careledger.cli.opening import office, opened, reached
from careledger.cli.options import DATA, As, Data, Json, command, group
from careledger.cli.output import print_json, print_text, tell, write_private

app = group("Professional licences (SD-JWT credentials): issue, present, check, sweep, revoke.")
DAY, YEAR = 86_400, 365
Holder = Annotated[
    str,
    typer.Option("--holder", metavar="DID", help="The did:key of who it is for (careledger licence key)."),
]
Base = Annotated[
    str,
    typer.Option(
        "--at", metavar="URL", help="The address of the ministry's gateway, where its status list is."
    ),
]
HolderKey = Annotated[Path, typer.Option("--key", metavar="FILE", help="The holder's key file.")]


@command(app, "key", "careledger licence key doctor.key")
def key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, which the professional keeps.")],
    as_json: Json = False,
) -> None:
    """Make a professional's key, to which licences are bound: one for all employers."""
    did = licences.new_key(file)
    tell(as_json, {"key": str(file), "did": did}, f"{file} is the key of {did}.")


@command(
    app,
    "issue",
    'careledger licence issue doctor.licence --holder HOLDER --profession doctor --number D-1204 --as "Officer Begum"',
)
def issue(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file for the licence.")],
    holder: Holder,
    profession: Annotated[str, typer.Option(metavar="ROLE", help="The role that it lets somebody act as.")],
    number: Annotated[str, typer.Option(metavar="NUMBER", help="The licence's number.")],
    acting: As,
    name: Annotated[str, typer.Option(metavar="NAME", help="Shown only where its holder shows it.")] = "",
    days: Annotated[
        int, typer.Option(metavar="DAYS", min=1, max=3650, help="For how long it is in force.")
    ] = YEAR,
    at: Base = "http://127.0.0.1:8080",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """A ministry officer issues a licence to who holds a key, signed by the ministry; its holder shows what it wants of
    it."""
    from careledger.app.licences.issuing import Licensed
    from careledger.app.licences.issuing import issue as make
    from careledger.workflows.parties import check_officer

    public = licences.holder(holder)
    with reached(data) as world:
        check_officer(world.ledger.fresh_head(), officer(world, acting))
        now = world.clock.now()
        said = Licensed(number, licences.profession(profession), name, now, now + days * DAY)
        text, place = make(world.keyring.ministry(), world.settings.chain_id, public, said, at, now)
        write_private(file, text.encode() + b"\n", "FILE")
    facts = {"file": str(file), "place": place, "until": said.until}
    tell(
        as_json, facts, f"Licence {place} is issued until {licences.day(said.until)}; {file} is its holder's."
    )


@command(app, "list", "careledger licence list")
def list_(data: Data = DATA, as_json: Json = False) -> None:
    """List what the ministry of this machine issued."""
    with office(data) as world:
        found = licences.issued(world)
    print_json({"licences": found}) if as_json else licences.show(found)


@command(app, "ask", 'careledger licence ask --as "Lakeside Hospital"')
def ask(acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Ask somebody for a licence: a nonce that one presentation may carry, within ten minutes."""
    from careledger.app.licences.checking import ask as new

    with office(data) as world:
        verifier = member(world, acting, "--as")
        nonce, audience = new(verifier, world.clock.now()), licences.audience(world, verifier)
    tell(as_json, {"nonce": nonce, "audience": audience}, f"Nonce {nonce}, for {audience}.")


@command(
    app,
    "present",
    "careledger licence present doctor.licence shown.licence --key doctor.key --to AUDIENCE --nonce NONCE",
)
def present(
    licence: Annotated[Path, typer.Argument(metavar="LICENCE", help="The licence, as it was issued.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file for the presentation.")],
    key: HolderKey,
    to: Annotated[str, typer.Option("--to", metavar="DID", help="Who asked.")],
    nonce: Annotated[str, typer.Option("--nonce", metavar="NONCE", help="What they asked with.")],
    show: Annotated[
        list[str] | None,
        typer.Option("--show", metavar="CLAIM", help="name; number and profession are always shown."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Present a licence to who asked for it, showing what is needed; nothing else of it can be read."""
    from careledger.app.clocks import SystemClock
    from careledger.app.licences.presenting import present as make

    shown = {"licence_number", "profession", *(show or ())}
    text = make(licences.text(licence, "LICENCE"), licences.key(key), to, nonce, shown, SystemClock().now())
    write_private(file, text.encode() + b"\n", "FILE")
    tell(as_json, {"file": str(file), "shows": sorted(shown)}, f"{file} shows {', '.join(sorted(shown))}.")


@command(
    app,
    "check",
    'careledger licence check shown.licence --as "Lakeside Hospital" --keep',
)
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The presentation.")],
    acting: As,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Keep it for who is entered next with its number, by a file, a directory or the API.",
        ),
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Check a presented licence: issuer, signature, time, disclosures, holder, nonce, revocation. Uses up the nonce."""
    from careledger.app.licences import over

    with reached(data) as world:
        verifier = member(world, acting, "--as")
        found = licences.checked(world, verifier, file)
        if keep:
            over.keep(verifier, found, world.clock.now())
    facts = licences.facts(found)
    if as_json:
        print_json(facts)
    else:
        print_text(
            f"Licence {found.number} as {found.profession}, in force until {licences.day(found.until)}."
        )


@command(app, "sweep", 'careledger licence sweep --as "Lakeside Hospital"')
def sweep(acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Look at the licences that an organisation's posts rest on; end the posts whose licence is revoked or expired.

    A gateway does so by itself every ten minutes. A status list that cannot be had or is not its issuer's ends nothing.
    """
    with opened(data) as world:
        found = licences.looked(world, organisation(world, acting))
    print_json({"posts": found}) if as_json else licences.show_looked(found)


@command(app, "revoke", 'careledger licence revoke PLACE --as "Officer Begum"')
def revoke(
    place: Annotated[
        int, typer.Argument(metavar="PLACE", help="Its place in the status list, as list shows it.")
    ],
    acting: As,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """A ministry officer revokes a licence: every check that looks at the status list from now on refuses it."""
    from careledger.app.licences.issuing import revoke as end
    from careledger.workflows.parties import check_officer

    with reached(data) as world:
        check_officer(world.ledger.fresh_head(), officer(world, acting))
        found = end(world.keyring.ministry(), place, world.clock.now())
    tell(as_json, {"place": place, "revoked": found.revoked}, f"Licence {place} is revoked.")
