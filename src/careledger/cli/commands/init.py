"""``careledger init``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.adapters.remote.addresses import name_of
from careledger.app.clocks import SystemClock
from careledger.app.settings import CHAIN_ID
from careledger.cli import elsewhere
from careledger.cli.moments import duration
from careledger.cli.opening import opened
from careledger.cli.options import DATA, Data, Json, command, single
from careledger.cli.output import progress, tell
from careledger.cli.passphrases import ask_new
from careledger.cli.roles import organisation_roles
from careledger.cli.words import counted, listed
from careledger.domain.custodians import Thresholds
from careledger.domain.errors import MalformedBytes
from careledger.sealing.keys import Secret

if TYPE_CHECKING:
    from careledger.app.founding import Member, Plan

app = single()
Matrix = Annotated[
    int, typer.Option(min=1, max=2, help="The version of the access matrix that the officers vote for.")
]
Members = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=ROLE",
        help="A member organisation and what it acts as, several roles with commas; repeatable. Each becomes a "
        "custodian.",
    ),
]
Officer = Annotated[list[str], typer.Option(metavar="NAME", help="A ministry officer; repeatable.")]
ChainId = Annotated[int, typer.Option(min=1, help="The ledger's chain id.")]
Delay = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help="How long a vote on the matrix waits before it takes effect: 0 suits a trial; with 30d the network "
        "begins under version 1, and every later change waits as long.",
    ),
]
Holding = Annotated[int, typer.Option(min=1, help="How many keep each share before a deposit is final (n).")]
TwoHops = Annotated[
    bool,
    typer.Option(
        "--two-hops",
        help="A patient's messages go to the ledger by another member's desk. On one machine that takes some "
        "seconds more and hides nothing from its operator: to try what members on machines of their own do.",
    ),
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure-plain-keys",
        help="Leave every key unencrypted in the data directory: for trials, never for real data.",
    ),
]
OFFICERS = ["Officer One", "Officer Two", "Officer Three"]
MEMBERS = [
    "First Hospital=hospital",
    "Second Hospital=hospital",
    "First Laboratory=centre",
    "First Pharmacy=pharmacy",
    "First Insurer=insurer",
]


@command(
    app,
    "init",
    "careledger init --data my-network",
    'careledger init --data a-network --member "City Hospital=hospital" --member "Lakeside Hospital=hospital" '
    '--member "Delta Diagnostics=centre" --officer "Officer Begum" --officer "Officer Das" --threshold 2',
)
def init(
    data: Data = DATA,
    member: Members = MEMBERS,
    officer: Officer = OFFICERS,
    threshold: Annotated[int, typer.Option(min=1, help="How many officers carry a vote.")] = 2,
    matrix: Matrix = 2,
    delay: Delay = "0",
    opening: Annotated[int, typer.Option(min=1, help="How many custodians open a record (t).")] = 2,
    holding: Holding = 3,
    listed_: Annotated[
        int, typer.Option("--listed", min=1, help="How many stand on a patient's list (N).")
    ] = 5,
    escrow: Annotated[int, typer.Option(min=1, help="How many open the emergency escrow.")] = 3,
    node: elsewhere.Nodes = None,
    chain_id: ChainId = CHAIN_ID,
    agreeing: elsewhere.Agreeing = 2,
    oldest: elsewhere.Oldest = 10,
    header: elsewhere.Header = None,
    authorities: elsewhere.Authorities = None,
    two_hops: TwoHops = False,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Found a network in a new data directory: ministry, officers, members with custodians, contracts, matrix.

    Nothing is there until all of it is: after an interruption the same command begins again. Keys lie under a
    passphrase: CARELEDGER_PASSPHRASE, the first line of the file that CARELEDGER_PASSPHRASE_FILE names, or typed on a
    terminal.

    With --node the contracts go to other members' nodes, which have to answer with --chain-id and without fees; what
    an interruption left there is never used.
    """
    from careledger.app.founding import Plan, found_network

    members = tuple(_member(each) for each in member)
    plan = Plan(
        tuple(officer), members, threshold, matrix, duration(delay, "--delay"),
        _thresholds(opening, holding, listed_, escrow, len(members)), two_hops=two_hops,
    )  # fmt: skip
    _check(data, plan)
    ledger = elsewhere.remote(node or (), chain_id, agreeing, oldest, header, authorities)
    plan = replace(plan, ledger=ledger, chain_id=chain_id, passphrase=_passphrase(insecure))
    with progress() as bar:
        task = bar.add_task("members", total=len(members))
        found_network(data, plan, SystemClock(), lambda label: bar.advance(task))
    _told(data, plan, as_json)


def _told(data: Path, plan: Plan, as_json: bool) -> None:
    with opened(data, lambda: plan.passphrase or Secret(b"")) as world:
        version = world.ledger.fresh_head().matrix_version()
        custodians = len(world.ledger.fresh_head().custodians())
        facts = {
            "folder": str(data),
            "chain_id": world.ledger.chain_id,
            "nodes": [name_of(url) for url in plan.ledger.nodes] if plan.ledger else [],
            "directory": "0x" + world.settings.directory,
            "officers": list(plan.officers),
            "threshold": plan.threshold,
            "members": [each.label for each in plan.members],
            "custodians": custodians,
            "matrix_version": version,
            "voted_matrix": plan.matrix,
            "delay": plan.policy_delay,
        }
    later = "" if version == plan.matrix else f"; version {plan.matrix} follows after the delay"
    tell(
        as_json,
        facts,
        f"A network lies in {data}: {counted(len(plan.members), 'member')}, each verified and a custodian.",
        f"{plan.threshold} of {len(plan.officers)} officers carry a vote: {listed(list(plan.officers))}.",
        f"Version {version} of the access matrix is in force{later}.",
        'Next: careledger party post "Dr Sen" --as MEMBER --role doctor, then careledger patient register.',
    )


def _passphrase(insecure: bool) -> Secret | None:
    if not insecure:
        return ask_new()
    typer.echo("careledger: INSECURE: every key lies unencrypted in the data directory.", err=True)
    return None


def _member(said: str) -> Member:
    from careledger.app.founding import Member

    label, _, roles = said.partition("=")
    if not label.strip() or not roles:
        raise typer.BadParameter(f"{said!r} is not NAME=ROLE", param_hint="--member")
    return Member(label.strip(), organisation_roles(roles.split(","), "--member"))


def _thresholds(opening: int, holding: int, listed_on: int, escrow: int, members: int) -> Thresholds:
    try:
        made = Thresholds(opening, holding, listed_on, escrow)
    except MalformedBytes:
        raise typer.BadParameter(
            "--opening is at most --holding, that at most --listed, and --escrow lies between",
            param_hint="--opening",
        ) from None
    if members < max(holding, escrow):
        raise typer.BadParameter(
            f"{max(holding, escrow)} members are needed, or smaller --holding and --escrow",
            param_hint="--member",
        )
    return made


def _check(data: Path, plan: Plan) -> None:
    labels = [*plan.officers, *(member.label for member in plan.members)]
    if len(set(labels)) < len(labels):
        raise typer.BadParameter("two have the same name", param_hint="--member / --officer")
    if plan.threshold > len(plan.officers):
        raise typer.BadParameter(f"there are {len(plan.officers)} officers", param_hint="--threshold")
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise typer.BadParameter(f"{data} is not empty; name another", param_hint="--data")
