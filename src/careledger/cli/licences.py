"""Licences for a person: key files, who asks, what was issued."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from careledger.cli.output import screen, write_private
from careledger.cli.roles import post_roles
from careledger.cli.words import Facts
from careledger.domain.errors import MalformedBytes
from careledger.domain.parties import PartyId
from careledger.formats.dids import key_did, key_of
from careledger.formats.signatures import SigningKey
from careledger.workflows.actors import Organisation

if TYPE_CHECKING:
    from careledger.app.licences.checking import Checked
    from careledger.app.world import World


def new_key(file: Path) -> str:
    """Writes a key file; returns its did:key."""
    made = SigningKey.random()
    write_private(file, made.secret.hex().encode() + b"\n", "FILE")
    return key_did(made.public)


def key(file: Path) -> SigningKey:
    """A key file; raises BadParameter."""
    try:
        return SigningKey(bytes.fromhex(text(file, "--key").strip()))
    except (ValueError, MalformedBytes):
        raise typer.BadParameter("not a key file of careledger licence key", param_hint="--key") from None


def text(file: Path, option: str) -> str:
    """What a file says; raises BadParameter."""
    try:
        return file.read_text("ascii")
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint=option) from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file}: not text", param_hint=option) from None


def holder(did: str) -> bytes:
    """The public key of a did:key; raises BadParameter."""
    try:
        return key_of(did)
    except MalformedBytes:
        raise typer.BadParameter("not the did:key of a secp256k1 key", param_hint="--holder") from None


def profession(named: str) -> str:
    """The code of a role that a post has; raises BadParameter."""
    [role] = post_roles([named])
    return role.code


def audience(world: World, verifier: Organisation) -> str:
    """Whom a presentation has to be for."""
    return PartyId(verifier.number).did(world.settings.chain_id)


def checked(world: World, verifier: Organisation, file: Path) -> Checked:
    """A presented licence that holds; raises LicenceRefused."""
    from careledger.app.licences import status
    from careledger.app.licences.checking import check

    return check(
        world.ledger.fresh_head(),
        world.settings.chain_id,
        verifier,
        audience(world, verifier),
        text(file, "FILE"),
        lambda issuer, uri: status.found(world, issuer, uri),
        world.clock.now(),
    )


def facts(found: Checked) -> Facts:
    """A checked licence for programs."""
    return {
        "number": found.number,
        "profession": found.profession,
        "until": found.until,
        "issuer": f"{found.issuer:016x}",
        "holder": key_did(found.holder),
        "place": found.place,
    }


def issued(world: World) -> list[Facts]:
    """What the ministry issued."""
    from careledger.app.licences.issuing import issued as found

    return [
        {
            "place": place,
            "number": each.number,
            "profession": each.profession,
            "holder": key_did(each.holder),
            "issued": each.issued,
            "until": each.until,
            "revoked": each.revoked or None,
        }
        for place, each in found(world.keyring.ministry())
    ]


def looked(world: World, employer: Organisation) -> list[Facts]:
    """Each post of the employer that rests on a licence, and what became of it."""
    from careledger.app.identity.employing import Desk
    from careledger.app.licences import status
    from careledger.app.licences.resting import look
    from careledger.app.names import Names

    names = Names(world, world.ledger.fresh_head(), employer)
    lists = cache(lambda issuer, uri: status.found(world, issuer, uri))
    desk = Desk(world.network, world.keyring, world.clock.now())
    return [
        {
            "post": names.id(each.post),
            "name": names.of(each.post),
            "number": each.number,
            "until": each.until,
            "outcome": each.outcome,
            "why": each.why or None,
        }
        for each in look(desk, employer, lists)
    ]


def show_looked(found: list[Facts]) -> None:
    """The table."""
    rows = [
        (each["name"], each["number"], day(each["until"]), each["outcome"], each["why"] or "")
        for each in found
    ]
    screen().table("Posts that rest on a licence", ("post", "number", "until", "", "why"), rows)


def show(found: list[Facts]) -> None:
    """The table."""
    rows = [
        (str(each["place"]), each["number"], each["profession"], day(each["until"]),
         "revoked" if each["revoked"] else "in force")
        for each in found
    ]  # fmt: skip
    screen().table("Licences issued here", ("place", "number", "as", "until", ""), rows)


def day(at: int) -> str:
    """A date."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()
