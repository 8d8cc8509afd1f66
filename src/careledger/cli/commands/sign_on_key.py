"""``careledger sign-on key``: the key by which an organisation signs what it sends its SAML providers."""

from __future__ import annotations

import hashlib
from typing import Annotated

import typer
from cryptography import x509

from careledger.app.identity.saml import own_key
from careledger.cli.actors import organisation
from careledger.cli.moments import duration
from careledger.cli.opening import office
from careledger.cli.options import DATA, As, Data, Json, command, group
from careledger.cli.output import tell
from careledger.cli.words import Facts, minute, moment
from careledger.domain.errors import ActRefused
from careledger.workflows.actors import Organisation

app = group("The key that signs what SAML providers are sent: show, rotate.")


@command(app, "show", 'careledger sign-on key show --as "City Hospital"')
def show(acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Show the certificates of the key that signs and of the one that follows it, and when it does."""
    with office(data) as world:
        facts = _facts(organisation(world, acting), world.clock.now())
        tell(as_json, facts, *_lines(facts))


@command(
    app,
    "rotate",
    'careledger sign-on key rotate --as "City Hospital"',
    'careledger sign-on key rotate --as "City Hospital" --after 0',
)
def rotate(
    acting: As,
    after: Annotated[
        str,
        typer.Option(
            "--after",
            metavar="TIME",
            help="How long providers have to learn of it; 0 for one that was stolen.",
        ),
    ] = "7d",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Make a new key: shown in this side's metadata at once, beside the present one, and the one that signs later.

    Until then every SAML provider has to read the metadata again. The one before is destroyed when the new one signs.
    Rotated again meanwhile, another new one takes its place.
    """
    seconds = duration(after, "--after")
    with office(data) as world:
        employer, now = organisation(world, acting), world.clock.now()
        try:
            own_key.rotate(employer.books, now, seconds)
        except ActRefused as error:
            raise typer.BadParameter(str(error), param_hint="--after") from None
        facts = _facts(employer, now)
        tell(as_json, facts, *_lines(facts))


def _facts(employer: Organisation, now: int) -> Facts:
    certificates = own_key.shown(employer.books, now)
    signs = own_key.signs_next(employer.books)
    described = [_described(each) for each in certificates]
    return {
        "signs": described[0],
        "next": described[1] if len(described) > 1 else None,
        "next_signs": moment(signs) if signs else None,
        "at": minute(signs) if signs else "",
    }


def _lines(facts: Facts) -> list[str]:
    lines = [f"It signs by the key whose certificate is {facts['signs']['sha256']}."]
    if facts["next"]:
        lines.append(f"From {facts['at']} UTC on by {facts['next']['sha256']}, which metadata shows already.")
    return lines


def _described(der: bytes) -> dict[str, str]:
    until = int(x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp())
    return {"sha256": hashlib.sha256(der).hexdigest(), "until": moment(until)}
