"""``careledger show``: what lies in a data directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from careledger.app.names import Names, in_order, newest_rows
from careledger.cli.opening import Mine, each_patient
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, counted, listed, moment
from careledger.domain.facts import PartyFacts
from careledger.domain.parties import ControllerKind, PartyId, party_id
from careledger.projection.rows import AliasRow, AnchorRow
from careledger.projection.view import FactsView
from careledger.workflows.chart import copies
from careledger.workflows.grant import STANDS, given_consents

if TYPE_CHECKING:
    from careledger.app.world import World

WIDE = 120
CONTROLLED = {
    ControllerKind.SELF: "own keys",
    ControllerKind.GUARDIAN: "a guardian",
    ControllerKind.REGISTRAR: "the registrar",
    ControllerKind.NOBODY: "nobody",
    ControllerKind.UNKNOWN: "unknown",
}


def overview(world: World) -> Facts:
    """Everything that ``show`` says, as it stands in ``--json``."""
    view = world.ledger.fresh_head()
    rows = newest_rows(world)
    return {
        "folder": str(world.folder),
        "network": _network(world, view),
        "parties": _parties(world, view, rows.get("party", {})),
        "patients": [patient_facts(world, view, mine) for mine in each_patient(world)],
        "aliases": _aliases(rows.get("alias", {}).values()),
        "records": _records(world, view, rows.get("anchor", {}).values()),
    }


def _network(world: World, view: FactsView) -> Facts:
    head = view.head
    return {
        "chain_id": world.ledger.chain_id,
        "directory": "0x" + world.settings.directory,
        "deployment": world.ledger.deployment.hex(),
        "head": {"number": head.number, "hash": head.hash.hex(), "time": moment(head.time)},
        "matrix_version": view.matrix_version(),
        "thresholds": {
            "opening": world.settings.opening,
            "holding": world.settings.holding,
            "listed": world.settings.listed,
            "escrow": world.settings.escrow,
        },
    }


def _parties(world: World, view: FactsView, rows: Iterable[int | bytes]) -> list[Facts]:
    names = Names(world, view)
    return [party_facts(world, view, names, each) for each in in_order(names, view, rows)]


def party_facts(world: World, view: FactsView, names: Names, facts: PartyFacts) -> Facts:
    """One party, as it stands in ``--json``."""
    return {
        "name": names.of(facts.number),
        "id": party_id(facts.number, facts.roles),
        "did": PartyId(facts.number).did(world.ledger.chain_id),
        "roles": [role.code for role in sorted(facts.roles)],
        "status": facts.status.name.lower(),
        "standing": facts.standing.name.lower(),
        "employer": names.id(facts.employer) if facts.employer else None,
        "custodian": _custodian(world, view, facts.number),
    }


def _custodian(world: World, view: FactsView, number: int) -> Facts | None:
    facts, checkpoint = view.custodian(number), view.checkpoint(number)
    if facts is None:
        return None
    here = world.directories.get(number)
    return {
        "leaving": facts.leaving,
        "here": here is not None,
        "log_lines": here.journal.log().size() if here else None,
        "anchored_lines": checkpoint.size if checkpoint else 0,
        "cosigners": len(checkpoint.cosigners) if checkpoint else 0,
        "forked": bool(checkpoint and checkpoint.forked),
    }


def patient_facts(world: World, view: FactsView, mine: Mine) -> Facts:
    """One patient of this device, as it stands in ``--json``."""
    names, facts = Names(world, view), view.alias(mine.holder.alias)
    given = given_consents(mine.holder)
    return {
        "name": mine.label,
        "alias": mine.holder.alias.hex(),
        "controller": CONTROLLED[facts.kind if facts else ControllerKind.UNKNOWN],
        "registrar": names.of(mine.statement.registrar),
        "custodians": [names.of(number) for number in mine.statement.custodians],
        "consents_given": len(given),
        "consents_standing": sum(each.state == STANDS for each in given),
    }


def _aliases(rows: Iterable[tuple[Any, ...]]) -> dict[str, int]:
    """How many aliases are controlled by whom."""
    counts = Counter(CONTROLLED[ControllerKind(AliasRow(*row).kind)] for row in rows)
    return dict(counts.most_common())


def _records(world: World, view: FactsView, anchors: Iterable[tuple[Any, ...]]) -> Facts:
    rows = [AnchorRow(*row) for row in anchors]
    names, depositors = Names(world, view), []
    for label, organisation in world.keyring.organisations().items():
        mine = copies(organisation)
        if mine:
            patients = len({copy.alias for copy in mine})
            depositors.append({"name": label, "versions": len(mine), "patients": patients})
    return {
        "roots": len(rows),
        "leaves": sum(row.leaves for row in rows),
        "by_organisation": _leaves(names, rows),
        "charts_here": sorted(depositors, key=lambda each: str(each["name"])),
    }


def _leaves(names: Names, rows: list[AnchorRow]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[names.of(row.organisation)] += row.leaves
    return dict(counts.most_common())


# On the screen ----------------------------------------------------------------------------------


def print_overview(screen: Screen, found: Facts, folder: Path) -> None:
    """The same for people."""
    network, head = found["network"], found["network"]["head"]
    screen.facts(
        f"CareLedger data directory {folder}",
        [
            ("ledger", f"chain {network['chain_id']}, directory {network['directory']}"),
            ("head", f"block {head['number']} of {head['time']}, {head['hash'][:16]}…"),
            ("matrix", f"version {network['matrix_version']} in force"),
            (
                "opening",
                "{opening} custodians open, {holding} hold, {listed} are listed".format(
                    **network["thresholds"]
                ),
            ),
        ],
    )
    _print_parties(screen, found["parties"])
    _print_custodians(screen, [each for each in found["parties"] if each["custodian"]])
    _print_records(screen, found["records"])
    _print_patients(screen, found)


def _print_parties(screen: Screen, parties: list[Facts]) -> None:
    """In a narrow terminal each party takes two lines."""
    rows: list[tuple[str, ...]] = []
    for each in parties:
        inset = "  " if each["employer"] else ""
        name, roles = inset + each["name"], listed(each["roles"])
        if screen.width >= WIDE:
            rows.append((name, roles, each["standing"], each["id"], each["did"]))
        else:
            rows.append((f"{name}\n{inset}{roles}, {each['standing']}", f"{each['id']}\n{each['did']}"))
    columns = ("party", "as", "standing", "id", "DID") if screen.width >= WIDE else ("party", "id and DID")
    screen.table("Parties on the ledger, posts under their employer", columns, rows)


def _print_custodians(screen: Screen, custodians: list[Facts]) -> None:
    rows = []
    for each in custodians:
        said = each["custodian"]
        state = "leaving" if said["leaving"] else "serves"
        lines = "–" if said["log_lines"] is None else f"{said['log_lines']:,}"
        state = "forked" if said["forked"] else state if said["here"] else f"{state}, elsewhere"
        rows.append((each["name"], state, lines, f"{said['anchored_lines']:,}", said["cosigners"]))
    columns = ("custodian", "state", "log lines", "anchored", "cosigned by")
    screen.table("Custodians", columns, rows)


def _print_records(screen: Screen, records: Facts) -> None:
    leaves, roots = counted(records["leaves"], "record version"), counted(records["roots"], "root")
    bars = list(records["by_organisation"].items())
    screen.bars(f"On the ledger: {leaves} under {roots}", bars)
    charts = [(each["name"], f"{each['versions']:,}", each["patients"]) for each in records["charts_here"]]
    if charts:
        screen.table("Charts on this machine", ("chart", "versions", "patients"), charts)


def _print_patients(screen: Screen, found: Facts) -> None:
    aliases = ", ".join(f"{count} by {who}" for who, count in found["aliases"].items())
    total = sum(found["aliases"].values())
    screen.says(f"Aliases on the ledger: {total}" + (f", controlled {aliases}" if aliases else ""))
    rows = [
        (
            each["name"],
            each["alias"][:8] + "…",
            each["controller"],
            each["registrar"],
            each["consents_standing"],
        )
        for each in found["patients"]
    ]
    if rows:
        columns = ("patient", "alias", "controlled by", "registered at", "consents")
        screen.table("Patients whose keys are on this device", columns, rows)
    else:
        screen.says("No patient's keys are on this device.")
