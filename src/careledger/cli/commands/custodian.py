"""``careledger custodian``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.app.names import Names
from careledger.cli import custodians, party_list
from careledger.cli.actors import elsewhere, member, officer, session
from careledger.cli.endings import not_verified
from careledger.cli.opening import existing, opened, patient
from careledger.cli.options import DATA, As, Data, Json, LogFormat, command, group
from careledger.cli.output import print_json, progress, screen, tell
from careledger.cli.people import in_table
from careledger.cli.words import counted
from careledger.domain.categories import Compartment
from careledger.workflows.accesses import by_holder, by_registrar
from careledger.workflows.actors import Holder
from careledger.workflows.asking import Access
from careledger.workflows.cosigning import checkpoint_all, cosign_all
from careledger.workflows.epochs import ALL, own_statement
from careledger.workflows.parties import leave_custodians, retire_custodian
from careledger.workflows.register import activate_custodian, kept_holder
from careledger.workflows.replace_custodian import remake_shares, replace_custodian

if TYPE_CHECKING:
    from careledger.app.world import World

app = group(
    "Custodians: list, status, checkpoints, add, leave, retire, serve; remake shares, replace one on a patient's list."
)
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The custodian's name, its beginning, or its identifier.")
]
For = Annotated[str, typer.Argument(metavar="PATIENT", help="Whose shares: a patient of this device.")]
Post = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="NAME",
        help="For an unclaimed patient: a post of the registrar, which holds the keys.",
    ),
]


@command(app, "list", "careledger custodian list")
def list_(data: Data = DATA, as_json: Json = False) -> None:
    """List every custodian: whether it serves, how long its release log is and how much of it stands on the ledger."""
    with opened(data) as world:
        found = custodians.listed(world)
        print_json({"custodians": found}) if as_json else custodians.show_list(screen(), found)


@command(app, "status", "careledger custodian status City")
def status(named: Name, data: Data = DATA, as_json: Json = False) -> None:
    """Show one custodian: its log against the ledger, what it keeps, what it owes, the evidence that it holds."""
    with opened(data) as world:
        found = custodians.status(world, _custodian(world, named))
        print_json(found) if as_json else custodians.show_status(screen(), found)


@command(app, "checkpoint", "careledger custodian checkpoint")
def checkpoint(data: Data = DATA, as_json: Json = False) -> None:
    """Anchor every serving custodian's release log, and have each cosigned by all others, who recompute it."""
    with opened(data) as world:
        network, view = world.network, world.ledger.fresh_head()
        here = network.custodians
        links = {each.number: here[each.number] for each in view.custodians() if each.number in here}
        serving = dataclasses.replace(network, custodians=links)
        failed = list(checkpoint_all(serving).items())
        failed += [(number, error) for (number, _), error in cosign_all(serving).items()]
        names = Names(world, view)
        wrong = [{"custodian": names.of(number), "why": str(error)} for number, error in failed]
        facts = {"custodians": len(links), "failed": wrong}
    tell(
        as_json, facts, f"{counted(len(links), 'log')} anchored and cosigned, but for {len(failed)} failures."
    )
    for each in () if as_json else wrong:
        screen().fails(f"{each['custodian']}: {each['why']}")
    if failed:
        not_verified()


@command(app, "add", 'careledger custodian add Riverside --as "Officer Begum"')
def add(named: Name, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """A verified organisation becomes a custodian, by its own key and an officer's; one of another machine has to have
    announced it there."""
    from careledger.app.founding import become_custodian

    with opened(data) as world:
        by, number = officer(world, acting), elsewhere(world, named)
        if number:
            activate_custodian(world.network, number, by)
        else:
            found = member(world, named, "NAME")
            become_custodian(world, by, found)
            number = found.number
        tell(as_json, custodians.status(world, number), "It keeps shares of new patients from now on.")


@command(app, "announce", "careledger custodian announce Riverside")
def announce(named: Name, data: Data = DATA, as_json: Json = False) -> None:
    """An organisation whose keys alone are here says that it will keep shares; an officer elsewhere lets it begin
    (custodian add)."""
    from careledger.app.founding import announce as make

    with opened(data) as world:
        found = member(world, named, "NAME")
        make(world, found)
        name = Names(world, world.ledger.fresh_head()).of(found.number)
        facts = {"name": name, "id": party_list.one(world, found.number)["id"]}
    tell(
        as_json,
        facts,
        f"{name} has announced it. Next, by an officer: careledger custodian add {facts['id']}.",
    )


@command(
    app,
    "serve",
    "careledger custodian serve Riverside --port 8444",
    "careledger custodian serve Riverside --host 192.0.2.7 --port 8444 --json",
)
def serve(
    named: Name,
    host: Annotated[str, typer.Option(metavar="HOST", help="A name or address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65_535, help="0 takes a free one.")] = 8444,
    log_format: LogFormat = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Serve a custodian of this data directory to other members, until Ctrl-C or SIGTERM: over TLS 1.3 in which both
    sides prove by certificates who they are (careledger member, docs/members.md)."""
    from careledger.cli.serving import serve_custodian

    serve_custodian(existing(data), named, host, port, log_format or "text", as_json)


@command(app, "repair", "careledger custodian repair velvet City")
def repair(named: For, custodian: Name, acting: Post = "", data: Data = DATA, as_json: Json = False) -> None:
    """Remake a custodian's shares of one patient by others, who put no secret together: after a loss, an old backup."""
    with opened(data) as world, progress() as bar:
        bar.add_task("remaking shares", total=None)
        holder, access, label = _holder(world, named, acting)
        statement, number = own_statement(holder)[0], _custodian(world, custodian)
        if number not in statement.custodians:
            raise typer.BadParameter(
                "not on this patient's list; custodian replace puts one there", param_hint="NAME"
            )
        versions = remake_shares(
            world.network, holder, access, statement, statement.custodians.index(number) + 1
        )
    facts = {"patient": label, "custodian": custodian, "versions": versions}
    tell(as_json, facts, f"It holds a right share of each of {counted(versions, 'version')}.")


@command(app, "replace", 'careledger custodian replace velvet "Green Pharmacy" --by Riverside')
def replace(
    named: For,
    custodian: Name,
    by: Annotated[str, typer.Option(metavar="NAME", help="The custodian that takes the place.")],
    acting: Post = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Put another custodian in the place of one that was lost or leaves, and remake its shares for it."""
    with opened(data) as world, progress() as bar:
        bar.add_task("remaking shares", total=None)
        holder, access, label = _holder(world, named, acting)
        lost, successor = (
            _custodian(world, custodian),
            member(world, by, "--by").number,
        )
        done = replace_custodian(world.network, holder, access, lost, successor)
    facts = {
        "patient": label,
        "custodian": custodian,
        "successor": by,
        "versions": done.versions,
        "retired": done.retired,
    }
    destroyed = (
        "attested that it destroyed its own" if done.retired else "could not be asked to destroy its own"
    )
    tell(
        as_json,
        facts,
        f"The successor holds the shares of {counted(done.versions, 'version')}; the old one {destroyed}.",
    )


@command(app, "leave", 'careledger custodian leave "Green Pharmacy"')
def leave(named: Name, data: Data = DATA, as_json: Json = False) -> None:
    """First of two steps: it goes on serving and takes no new patients, while its shares are remade elsewhere."""
    with opened(data) as world:
        found = member(world, named, "NAME")
        leave_custodians(world.network, found)
        tell(
            as_json,
            custodians.status(world, found.number),
            "It takes no new patients.",
            "Next: careledger custodian replace for every patient, then custodian retire.",
        )


@command(app, "retire", 'careledger custodian retire "Green Pharmacy" --as "Officer Begum"')
def retire(named: Name, acting: As, data: Data = DATA, as_json: Json = False) -> None:
    """Second step, by an officer: it serves nobody any more."""
    with opened(data) as world:
        number = _custodian(world, named)
        retire_custodian(world.network, officer(world, acting), number)
        tell(as_json, custodians.status(world, number), "It is no custodian any more.")


def _custodian(world: World, named: str) -> int:
    """An organisation of this machine by its name, or one of another by its identifier."""
    return elsewhere(world, named) or member(world, named, "NAME").number


def _holder(world: World, named: str, acting: str) -> tuple[Holder, Access, str]:
    """Whoever holds the keys: the patient's agent, or the registrar until the patient claims."""
    everything = [Compartment.numbered(number) for number in ALL]
    if not acting:
        mine = patient(world, named)
        return mine.holder, by_holder(world.network, mine.holder, mine.statement, everything), mine.label
    asking = session(world, acting)
    registrar = asking.staff.organisation
    holder = kept_holder(registrar, in_table(registrar, named))
    access = by_registrar(world.network, asking, holder, own_statement(holder)[0], everything)
    return holder, access, holder.alias.hex()[:16]
