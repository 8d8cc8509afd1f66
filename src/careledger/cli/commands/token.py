"""``careledger token``: what an organisation's programs act by at the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from careledger.app import tokens
from careledger.app.scopes import read_scopes
from careledger.cli import scoping
from careledger.cli.actors import organisation, staff
from careledger.cli.moments import duration
from careledger.cli.opening import office
from careledger.cli.options import DATA, As, Data, Json, command, group
from careledger.cli.output import print_json, screen, tell
from careledger.cli.words import Facts, minute, moment
from careledger.domain.errors import ScopeRefused
from careledger.formats.keyring import BearerToken

if TYPE_CHECKING:
    from careledger.app.world import World

app = group("Bearer tokens of posts: issue, list, withdraw.")
SHORT = 8


@command(
    app,
    "issue",
    'careledger token issue "Dr Sen, Lakeside" --until 12h',
    'careledger token issue "Dr Sen, Lakeside" --until 30d --label "ward tablet" --json',
    'careledger token issue "Dr Sen, Lakeside" --scope user/Observation.rs --scope user/Patient.r',
)
def issue(
    named: Annotated[str, typer.Argument(metavar="POST", help="The post that a program is to act as.")],
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="For how long: 30m, 12h, 30d; 90 days at most.")
    ] = "12h",
    label: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    purpose: scoping.ForPurpose = "TREAT",
    scopes: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="What an app may ask, after SMART: user/Observation.rs; several times.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Issue a token: whoever has it asks `careledger up` as this post. It is shown once, and kept nowhere.

    What a post may see each patient decides all the same, and every request stands in the patient's log. A token
    without --scope is for the organisation's own EHR; an app's asks only what its scopes say.
    """
    seconds = duration(until, "--until")
    if not 0 < seconds <= tokens.LONGEST:
        raise typer.BadParameter("more than nothing and at most 90d", param_hint="--until")
    said = " ".join(scopes or ())
    try:
        if any(not each.strip() for each in scopes or ()):
            raise ScopeRefused(why="an empty one is none; without --scope it is the organisation's own EHR's")
        read_scopes(said)
    except ScopeRefused as error:
        raise typer.BadParameter(str(error), param_hint="--scope") from None
    with office(data) as world:
        post = staff(world, named, "POST")
        token, kept = tokens.issue(post, scoping.purpose(purpose), world.clock.now(), seconds, label, said)
        tell(
            as_json,
            {"token": token, **_facts(world, tokens.digest_of(token), kept)},
            f"The token is {token}",
            f"It is good until {minute(kept.until)} and is not shown again: Authorization: Bearer {token[:8]}…",
        )


@command(app, "list", 'careledger token list --as "Lakeside Hospital"')
def list_(acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """List the tokens of an organisation's posts; none of them is shown, only the beginning of its digest."""
    with office(data) as world:
        found = [_facts(world, *each) for each in tokens.issued(organisation(world, acting))]
    if as_json:
        print_json({"tokens": found})
        return
    rows = [
        [
            each["token_digest"][:SHORT],
            each["post"],
            each["purpose"],
            each["until"],
            each["label"],
            each["scopes"],
        ]
        for each in found
    ]
    screen().table(f"{len(found)} tokens", ["digest", "post", "for", "until (UTC)", "label", "scopes"], rows)


@command(app, "withdraw", 'careledger token withdraw DIGEST --as "Lakeside Hospital"')
def withdraw(
    named: Annotated[str, typer.Argument(metavar="DIGEST", help="The beginning of the token's digest.")],
    acting: As,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Withdraw a token of one's own organisation: from now on nobody asks with it."""
    with office(data) as world:
        employer = organisation(world, acting)
        fitting = [
            each for each in tokens.issued(employer) if named and each[0].hex().startswith(named.lower())
        ]
        if len(fitting) != 1:
            why = (
                "several tokens fit; write more" if fitting else f"no token of this organisation is {named!r}"
            )
            raise typer.BadParameter(why, param_hint="DIGEST")
        tokens.withdraw(employer, fitting[0][0])
        tell(as_json, _facts(world, *fitting[0]), "Withdrawn: nobody asks with it from now on.")


def _facts(world: World, digest: bytes, kept: BearerToken) -> Facts:
    return {
        "token_digest": digest.hex(),
        "post": world.keyring.labels().get(kept.post, ""),
        "purpose": kept.purpose,
        "issued": moment(kept.issued),
        "until": moment(kept.until),
        "label": kept.label,
        "scopes": kept.scopes,
    }
