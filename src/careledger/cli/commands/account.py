"""``careledger account``: whom an organisation lets sign in at its gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from careledger.app.identity import accounts, approving, invitations, references
from careledger.app.identity.accounts import PENDING, Person
from careledger.cli import people
from careledger.cli.actors import organisation, staff
from careledger.cli.opening import office, opened
from careledger.cli.options import DATA, As, Data, Json, command, group
from careledger.cli.output import print_json, screen, tell
from careledger.cli.words import Facts, counted, minute, moment

if TYPE_CHECKING:
    from careledger.app.world import World
    from careledger.workflows.actors import Organisation

app = group("People who sign in at a gateway: invite, list, approve, suspend, reinstate, end sessions.")
Named = Annotated[str, typer.Argument(metavar="NAME", help="The sign-in name.")]
SeveralNamed = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="The sign-in names.")]
Everybody = Annotated[bool, typer.Option("--all", help="Everybody's at that organisation.")]


@command(
    app,
    "invite",
    'careledger account invite "Dr Sen, Lakeside"',
    'careledger account invite "Dr Sen, Lakeside" --json',
)
def invite(
    named: Annotated[str, typer.Argument(metavar="POST", help="The post that somebody is to sign in as.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Invite to a post: whoever signs up with this code within a week signs in as that post.

    The code is good once, is shown once, and is kept nowhere. One person signs in as one post.
    """
    with office(data) as world:
        post = staff(world, named, "POST")
        code, kept = invitations.invite(post.organisation, post.number, world.clock.now())
        tell(
            as_json,
            {"invitation": code, "post": named, "until": moment(kept.until)},
            f"The invitation is {code}",
            f"Good until {minute(kept.until)}, for one person: they give it when they sign up at the gateway's page.",
        )


@command(
    app,
    "list",
    'careledger account list --as "City Hospital"',
    'careledger account list --as "City Hospital" --waiting',
)
def list_(
    acting: As,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only who waits for approval.")] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List who has an account at an organisation; of who waits also who they say they are."""
    with office(data) as world:
        employer = organisation(world, acting)
        there = accounts.waiting(employer) if waiting else accounts.people(employer)
        found = [_facts(world, each) for each in there]
    if as_json:
        print_json({"accounts": found})
        return
    columns = ("sign_in_name", "state", "post", "patient", "name", "national_id", "birth", "made")
    rows = [[str(each[column])[:40] for column in columns] for each in found]
    titles = ["sign-in name", "state", "post", "patient", "says: name", "number", "birth", "made (UTC)"]
    screen().table(counted(len(found), "account"), titles, rows)


@command(
    app,
    "approve",
    'careledger account approve NEWCOMER --as "City Hospital"',
    'careledger account approve NEWCOMER --as "City Hospital" --patient "Velvet Botsford"',
    'careledger account approve NEWCOMER --as "City Hospital" --post "records desk, City"',
)
def approve(
    named: Named,
    acting: As,
    patient: Annotated[
        str, typer.Option("--patient", metavar="PATIENT", help="Who it is, if registered here before.")
    ] = "",
    post: Annotated[str, typer.Option("--post", metavar="POST", help="The post that it is to act as.")] = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Approve who signed up: as a patient, new unless --patient says who it is, or as a --post.

    Check first that they are who they say. A new patient is registered; what they said of themselves stands in the
    identity table from then on.
    """
    if patient and post:
        raise typer.BadParameter("either a patient or a post", param_hint="--post")
    with office(data) if post else opened(data) as world:
        employer = organisation(world, acting)
        who = _named(employer, named)
        if post:
            holder = staff(world, post, "--post")
            if holder.organisation.number != employer.number:
                raise typer.BadParameter("a post of another organisation", param_hint="--post")
            made = approving.as_post(who, holder.number)
        else:
            alias = people.alias_of(world, patient) if patient else b""
            made = approving.as_patient(world.network, who, alias)
        said = "It signs in as that post from now on." if post else "It is that patient's from now on."
        tell(as_json, _facts(world, made), f"Approved. {said}")


@command(app, "suspend", 'careledger account suspend NEWCOMER --as "City Hospital"')
def suspend(named: SeveralNamed, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Let somebody sign in no more: from now on, and their sessions are over."""
    with office(data) as world:
        employer = organisation(world, acting)
        made = accounts.suspend(_several(employer, named))
        _tell_all(world, made, as_json, "Suspended; their sessions are over.")


@command(app, "reinstate", 'careledger account reinstate SUSPENDED --as "City Hospital"')
def reinstate(named: Named, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Let somebody who was suspended sign in again, as what they were."""
    with office(data) as world:
        made = approving.reinstate(_named(organisation(world, acting), named))
        tell(as_json, _facts(world, made), "It signs in again.")


@command(
    app,
    "end-sessions",
    'careledger account end-sessions NEWCOMER --as "City Hospital"',
    'careledger account end-sessions --all --as "City Hospital"',
)
def end_sessions(
    acting: As,
    named: SeveralNamed = None,
    everybody: Everybody = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """End every session of somebody, or of --all; they may sign in again."""
    if bool(named) == everybody:
        raise typer.BadParameter("name accounts, or say --all", param_hint="NAME...")
    with office(data) as world:
        employer = organisation(world, acting)
        there = accounts.people(employer) if everybody else _several(employer, named)
        _tell_all(world, accounts.end_sessions(there), as_json, "Their sessions are over.")


@command(app, "whose", 'careledger account whose REFERENCE --as "City Hospital"')
def whose(
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="As `who` or `about` has it in the log.")
    ],
    acting: As,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Say whose a reference in the service's log is: an account's sign-in name, or a post of this organisation.

    Nobody but the organisation whose account or post it is can say so (docs/operations.md, "Security events").
    """
    with office(data) as world:
        employer, labels = organisation(world, acting), world.keyring.labels()
        account, post = references.resolved(employer, world.keyring.posts(employer), reference)
        if not account and not post:
            raise typer.BadParameter("nobody's at this organisation", param_hint="REFERENCE")
        nobody = account == accounts.NOBODY
        who = accounts.person(employer, account) if account and not nobody else None
        facts: Facts = {"sign_in_name": who.account.name if who else "", "post": labels.get(post, "")}
        said = f"The account {facts['sign_in_name']}." if who else f"The post {facts['post']}."
        tell(as_json, facts, "Nobody's: a sign-in name that is not there." if nobody else said)


def _several(employer: Organisation, named: list[str] | None) -> list[Person]:
    return [_named(employer, each) for each in dict.fromkeys(named or ())]


def _named(employer: Organisation, named: str) -> Person:
    """The account with that sign-in name; raises BadParameter."""
    who = accounts.by_name(employer, named)
    if who.id == accounts.NOBODY:
        raise typer.BadParameter("nobody has this sign-in name at this organisation", param_hint="NAME")
    return who


def _tell_all(world: World, those: list[Person], as_json: bool, said: str) -> None:
    tell(
        as_json,
        {"accounts": [_facts(world, each) for each in those]},
        f"{counted(len(those), 'account')}. {said}",
    )


def _facts(world: World, who: Person) -> Facts:
    account = who.account
    claim = account.claim if account.state == PENDING else None
    return {
        "sign_in_name": account.name,
        "state": account.state,
        "post": world.keyring.labels().get(account.post, "") if account.post else "",
        "patient": account.alias.hex(),
        "name": claim.name if claim else "",
        "national_id": claim.national_id if claim else "",
        "birth": claim.birth if claim else "",
        "made": moment(account.made),
    }
