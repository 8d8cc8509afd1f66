"""``careledger member``: members on machines of their own, and the certificates that prove them to one another."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from careledger.app import settings as settings_file
from careledger.app.clocks import SystemClock
from careledger.cli.moments import duration
from careledger.cli.opening import existing, opened
from careledger.cli.options import DATA, Data, Json, command, group
from careledger.cli.output import print_json, screen, tell, write_private
from careledger.cli.passphrases import ask, ask_new
from careledger.cli.roles import organisation_roles
from careledger.cli.words import NONE, Facts, counted, moment
from careledger.domain.parties import party_id
from careledger.formats.members import MemberCertificate
from careledger.formats.signed import Signed

app = group("Members on machines of their own: join, certificates that prove them to one another.")
DAY = 86_400
Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is to be called here.")]


@command(
    app,
    "join",
    'careledger member join careledger.json "Riverside Hospital" --role hospital --data riverside',
)
def join(
    network: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="careledger.json of a data directory of the network.",
        ),
    ],
    label: Name,
    role: Annotated[list[str], typer.Option("--role", metavar="ROLE", help="What it acts as; repeatable.")],
    licence: Annotated[str, typer.Option(metavar="NUMBER", help="The licence's number.")] = "",
    insecure: Annotated[
        bool, typer.Option("--insecure-plain-keys", help="Leave every key unencrypted: for trials only.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Make a data directory for a member of a network that was founded elsewhere: its keys are made here and leave it
    never. It is proposed on the ledger, which has to be on nodes (init --node); an officer elsewhere verifies it."""
    from careledger.app.founding import Member, join_network

    roles = organisation_roles(role)
    settings = settings_file.read(network)
    passphrase = None if insecure else ask_new()
    made = join_network(data, settings, Member(label, roles, licence), SystemClock(), passphrase)
    named, key = party_id(made.number, frozenset(roles)), made.sealing.digest.hex()
    tell(
        as_json,
        {"folder": str(data), "name": label, "id": named, "sealing_key": key},
        f"{label} is proposed as {named}. Next, by an officer who has checked the licence and heard this from you:",
        f"careledger party verify {named} --sealing-key {key}",
    )


@command(
    app,
    "certificate",
    'careledger member certificate "City Hospital" city.member --address custodian.city.example:8444',
    'careledger member certificate "City Hospital" next.member --begins 7d --days 90',
)
def certificate(
    named: Annotated[str, typer.Argument(metavar="NAME", help="An organisation whose keys are here.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, to be given to other members.")],
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where they reach its custodian; none for who only asks.")
    ] = "",
    days: Annotated[int, typer.Option(metavar="DAYS", min=1, max=366, help="For how long it counts.")] = 90,
    begins: Annotated[
        str,
        typer.Option(metavar="TIME", help="When it is used instead of the one before: time to hand it out."),
    ] = "0",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Make an organisation's certificate, which its signing key vouches for; the private key stays in its books.

    Two count at once, so that one follows the other without an interruption; it needs no service to stop. It ends at
    its time, or with the organisation's signing key (party rotate).
    """
    from careledger.app.keyring import Keyring
    from careledger.app.members.files import make
    from careledger.app.vault import open_guard
    from careledger.cli.actors import one_of
    from careledger.formats.signed import deployment_id

    settings = settings_file.load(existing(data))
    if file.exists():
        raise typer.BadParameter(f"{file}: File exists", param_hint="FILE")
    keyring, now = Keyring(data, open_guard(data, ask)), SystemClock().now()
    try:
        organisation = one_of(keyring.organisations(), named, "NAME", "an organisation")
        deployment = deployment_id(settings.chain_id, bytes.fromhex(settings.directory))
        since = now + duration(begins, "--begins")
        times = since, since + days * DAY
        signed = make(organisation, settings.chain_id, deployment, now, address, *times)
    finally:
        keyring.close()
    write_private(file, signed.encode(), "FILE")
    facts = {"file": str(file), **_facts(MemberCertificate.decode(signed.body))}
    tell(as_json, facts, f"{file} is for other members, who take it with careledger member know; it counts until "
         f"{facts['until']}.")  # fmt: skip


@command(app, "know", "careledger member know city.member")
def know(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="What another member gave.")
    ],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Keep another member's certificate; no service has to stop. Nothing is believed because the file is here: it
    counts while the ledger says that the member stands, and that its present key signed."""
    from careledger.app.members.files import MOST_FILE, keep

    with file.open("rb") as given:
        said = keep(existing(data), given.read(MOST_FILE + 1), SystemClock().now())
    facts = _facts(said)
    tell(
        as_json,
        facts,
        f"Kept: it says that it is {facts['member']}'s. careledger member list says whether it counts.",
    )


@command(app, "list", "careledger member list")
def list_(data: Data = DATA, as_json: Json = False) -> None:
    """List the certificates here, own and others', and why one does not count."""
    from careledger.app.members import files
    from careledger.app.names import Names

    with opened(data) as world:
        names, roll = Names(world, world.ledger.fresh_head()), world.roll
        own = [each.signed for made in world.keyring.organisations().values() for each in files.own(made)]
        found = [
            {
                **_facts(_said(each)),
                "name": names.of(_said(each).member),
                "own": each in own,
                "why_not": roll.why_not(each),
            }
            for each in (*own, *files.kept(data))
        ]
    if as_json:
        print_json({"certificates": found})
        return
    rows = [
        (
            each["name"],
            "yes" if each["own"] else "no",
            each["address"] or NONE,
            each["until"],
            each["why_not"] or "counts",
        )
        for each in found
    ]
    screen().table(counted(len(found), "certificate"), ("member", "own", "address", "until", "state"), rows)


def _said(signed: Signed) -> MemberCertificate:
    return MemberCertificate.decode(signed.body)


def _facts(said: MemberCertificate) -> Facts:
    return {
        "member": f"{said.member:016x}",
        "certificate": hashlib.sha256(said.certificate).hexdigest(),
        "address": said.address,
        "since": moment(said.since),
        "until": moment(said.until),
    }
