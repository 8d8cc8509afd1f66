"""``careledger sign-on``: the identity providers at which an organisation's staff sign on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509

from careledger.app.identity import providers
from careledger.app.identity.saml import answers, metadata
from careledger.app.identity.saml.metadata import Described
from careledger.cli.actors import organisation
from careledger.cli.commands import sign_on_key
from careledger.cli.opening import office
from careledger.cli.options import DATA, As, Data, Json, command, group
from careledger.cli.output import print_json, screen, tell
from careledger.cli.roles import post_roles
from careledger.cli.words import Facts, counted, moment
from careledger.domain.errors import ProviderRefused
from careledger.domain.parties import Role
from careledger.formats.sign_on import MOST_PROOFS, MOST_ROLES, Provider, RoleGiven, SamlProvider
from careledger.workflows.actors import Organisation

Issuer = Annotated[
    str,
    typer.Argument(metavar="ISSUER", help="An OpenID provider's issuer, exactly as it calls itself."),
]
Saml = Annotated[
    Path | None,
    typer.Option(
        "--saml",
        metavar="FILE",
        help="A SAML 2.0 provider's metadata, instead of an OpenID provider's issuer.",
    ),
]
Named = Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's id.")]
Client = Annotated[
    str,
    typer.Option(
        "--client", metavar="ID", help="The client id that an OpenID provider knows this organisation by."
    ),
]
Claim = Annotated[
    str,
    typer.Option(
        "--claim",
        metavar="CLAIM",
        help="The claim of its ID tokens, or the attribute of its assertions, that gives roles.",
    ),
]
Roles = Annotated[
    list[str],
    typer.Option(
        "--role", metavar="VALUE=ROLE", help="A value of that claim, and the post's role; several times."
    ),
]
PersonClaim = Annotated[
    str | None,
    typer.Option(
        "--person",
        metavar="CLAIM",
        help="The claim or attribute that is a person's login in the list of staff; by itself the subject.",
    ),
]
Secret = Annotated[
    Path | None,
    typer.Option(
        "--secret",
        metavar="FILE",
        help="The client secret; without one the organisation proves itself by its key at /oauth/keys.",
    ),
]
JustInTime = Annotated[
    bool, typer.Option("--just-in-time", help="Whoever has a role and no post is vouched for as they come.")
]
Acr = Annotated[
    list[str] | None,
    typer.Option(
        "--acr",
        metavar="VALUE",
        help="What the provider has to say of how it proved somebody, by two factors; several times for one of them.",
    ),
]
Amr = Annotated[
    list[str] | None,
    typer.Option(
        "--amr",
        metavar="METHOD",
        help="A method that an OpenID provider has to name (RFC 8176), such as mfa; several times for all of them.",
    ),
]
AnyProof = Annotated[
    bool,
    typer.Option("--any-proof", help="However the provider proved somebody will do, by one factor too."),
]

app = group(
    "Staff sign on at their organisation's own identity provider (OpenID Connect, SAML 2.0): add, list, renew, remove."
)


app.add_typer(sign_on_key.app, name="key")


@command(
    app,
    "add",
    'careledger sign-on add https://idp.city.example --as "City Hospital" --client careledger --secret secret.txt '
    "--claim groups --role physicians=doctor --role nursing=nurse --acr https://refeds.org/profile/mfa",
    'careledger sign-on add https://idp.city.example/realms/staff --as "City Hospital" --client careledger '
    "--person preferred_username --claim realm_access.roles --role physician=doctor --amr mfa --just-in-time",
    'careledger sign-on add --saml metadata.xml --as "City Hospital" --claim groups --role physicians=doctor '
    "--acr https://refeds.org/profile/mfa",
)
def add(
    acting: As,
    claim: Claim,
    role: Roles,
    issuer: Issuer = "",
    saml: Saml = None,
    client: Client = "",
    person: PersonClaim = None,
    secret: Secret = None,
    just_in_time: JustInTime = False,
    acr: Acr = None,
    amr: Amr = None,
    any_proof: AnyProof = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Let staff sign on at a provider; it is given the address to send people back to, which is shown."""
    if bool(issuer) == (saml is not None):
        raise typer.BadParameter("an issuer or --saml, one of them", param_hint="ISSUER")
    if saml is not None and (client or amr or secret is not None):
        raise typer.BadParameter("a SAML provider needs no --client, --secret or --amr", param_hint="--saml")
    with office(data) as world:
        employer, now = organisation(world, acting), world.clock.now()
        named = person if person is not None else providers.SUBJECT if saml is None else answers.NAME_ID
        said = (named, claim, _mapped(role), just_in_time, _few(acr or [], MOST_PROOFS, "--acr"))
        try:
            found = None if saml is None else _described(saml, now)
            made: Provider | SamlProvider
            if found is None:
                methods = _few(amr or [], MOST_PROOFS, "--amr")
                made = Provider(issuer, client, _read(secret), *said, methods, any_proof, now)
            else:
                made = _saml(found, *said, any_proof, now)
            id = providers.add(employer, made, None if found is None else found.logout)
        except ProviderRefused as error:
            raise typer.BadParameter(str(error)) from None
        facts = _facts(employer, id, made)
        lines = [
            f"Added; its id is {id.hex()}",
            f"At the provider, people are sent back to GATEWAY{facts['returns_to']}",
        ]
        if saml is not None:
            lines.append(f"What it has to know of this side is at GATEWAY{facts['metadata']}")
        tell(as_json, facts, *lines)


@command(app, "list", 'careledger sign-on list --as "City Hospital"')
def list_(acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """List the identity providers of an organisation."""
    with office(data) as world:
        employer = organisation(world, acting)
        found = [_facts(employer, *each) for each in _registered(employer).items()]
    if as_json:
        print_json({"providers": found})
        return
    rows = [
        [each[name] for name in ("id", "protocol", "issuer", "client", "person", "just_in_time")]
        for each in found
    ]
    columns = ["id", "protocol", "issuer", "client id", "login", "just in time"]
    screen().table(counted(len(found), "provider"), columns, [[str(cell) for cell in row] for row in rows])


@command(app, "renew", 'careledger sign-on renew PROVIDER metadata.xml --as "City Hospital"')
def renew(
    named: Named,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The provider's newer metadata.")],
    acting: As,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Take a SAML provider's keys and address from newer metadata: what it signs by no key in there counts no more."""
    with office(data) as world:
        employer = organisation(world, acting)
        id, had = _named(employer, named)
        if not isinstance(had, SamlProvider):
            raise typer.BadParameter("only a SAML provider has metadata in a file", param_hint="PROVIDER")
        try:
            made = providers.renew(employer, id, _described(file, world.clock.now()))
        except ProviderRefused as error:
            raise typer.BadParameter(str(error)) from None
        tell(as_json, _facts(employer, id, made), f"Renewed: it signs by {len(made.certificates)} keys.")


@command(app, "remove", 'careledger sign-on remove PROVIDER --as "City Hospital"')
def remove(named: Named, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Remove an identity provider: nobody signs on there any more; sessions that began there go on until they end."""
    with office(data) as world:
        employer = organisation(world, acting)
        id, had = _named(employer, named)
        facts = _facts(employer, id, had)
        providers.remove(employer, id)
        tell(as_json, facts, "Removed: nobody signs on there any more.")


def _registered(employer: Organisation) -> dict[bytes, Provider | SamlProvider]:
    return {**providers.registered(employer, Provider), **providers.registered(employer, SamlProvider)}


def _named(employer: Organisation, named: str) -> tuple[bytes, Provider | SamlProvider]:
    found = {id.hex(): (id, each) for id, each in _registered(employer).items()}.get(named)
    if found is None:
        raise typer.BadParameter("no provider of this organisation has that id", param_hint="PROVIDER")
    return found


def _described(file: Path, now: int) -> Described:
    """Raises BadParameter, ProviderRefused, NotInstalled."""
    try:
        return metadata.described(file.read_bytes(), now)
    except OSError:
        raise typer.BadParameter("it cannot be read", param_hint="--saml") from None


def _saml(said: Described, *further: Any) -> SamlProvider:
    return SamlProvider(said.issuer, said.place, said.certificates, said.persistent, *further)


def _read(secret: Path | None) -> str:
    if secret is None:
        return ""
    try:
        said = secret.read_text("utf-8").strip()
    except (OSError, ValueError):
        raise typer.BadParameter("it cannot be read", param_hint="--secret") from None
    if not 0 < len(said) <= 500:
        raise typer.BadParameter("it holds no secret of at most 500 characters", param_hint="--secret")
    return said


def _few(said: list[str], most: int, option: str) -> tuple[str, ...]:
    """All of them; raises BadParameter rather than heed a part of them."""
    if len(said) > most:
        raise typer.BadParameter(f"at most {most} of them", param_hint=option)
    return tuple(said)


def _mapped(said: list[str]) -> tuple[RoleGiven, ...]:
    made = []
    for each in _few(said, MOST_ROLES, "--role"):
        value, equals, role = each.rpartition("=")
        if not equals or not value:
            raise typer.BadParameter(f"{each!r} is not VALUE=ROLE", param_hint="--role")
        made.append(RoleGiven(value, post_roles([role])[0]))
    return tuple(made)


def _facts(employer: Organisation, id: bytes, provider: Provider | SamlProvider) -> Facts:
    logout = providers.logout_of(employer.books, id)
    openid = provider if isinstance(provider, Provider) else None
    saml = provider if isinstance(provider, SamlProvider) else None
    path = f"/sign-on/{id.hex()}" if saml is None else f"/sign-on/saml/{id.hex()}"
    return {
        "id": id.hex(),
        "protocol": "openid" if saml is None else "saml",
        "issuer": provider.issuer,
        "client": "" if openid is None else openid.client,
        "proves_itself": "" if openid is None else "by a secret" if openid.secret else "by its key",
        "asked_at": "" if saml is None else saml.place,
        "signs_out_at": "" if logout is None else logout.place,
        "certificates": [] if saml is None else [_certificate(each) for each in saml.certificates],
        "person": provider.person,
        "claim": provider.claim,
        "roles": {each.said: Role(each.role).code for each in provider.roles},
        "just_in_time": provider.just_in_time,
        "acr": list(provider.acr),
        "amr": [] if openid is None else list(openid.amr),
        "any_proof": provider.any_proof,
        "returns_to": f"{path}/return",
        "metadata": "" if saml is None else f"{path}/metadata",
        "added": moment(provider.made),
    }


def _certificate(der: bytes) -> dict[str, str]:
    """Which key it is of, and until when that counts."""
    until = int(x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp())
    return {"sha256": hashlib.sha256(der).hexdigest(), "until": moment(until)}
