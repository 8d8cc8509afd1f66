"""Last chapters: a custodian is lost and repaired, a record erased, everything audited and checked."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from careledger.adapters.evm.verify import verify_chain
from careledger.cli.demo import founding
from careledger.cli.demo.founding import CITY
from careledger.cli.demo.sharing import NATIONAL_ID
from careledger.cli.demo.stage import EVERYTHING, PATIENT, Stage, clinical
from careledger.domain.categories import Category, Compartment
from careledger.domain.parties import Role
from careledger.formats import cids
from careledger.proofs.bundle import verify_file
from careledger.workflows import accesses
from careledger.workflows.audit import Access, Audit, audit
from careledger.workflows.audit_file import completeness_file
from careledger.workflows.chart import read_back
from careledger.workflows.cosigning import cosign_all
from careledger.workflows.epochs import publish_statement
from careledger.workflows.erase import all_versions, conclude, erase
from careledger.workflows.repair import repair
from careledger.workflows.retrieve import retrieve

SUCCESSOR = "Hilltop Hospital"


def lose_a_custodian(stage: Stage) -> None:
    """One custodian's directory is gone for good; another organisation takes its place and its shares are remade."""
    screen, world = stage.screen, stage.world
    screen.chapter("A custodian is lost, and its shares are remade elsewhere")
    names, before = world.keyring.labels(), stage.statement
    lost = before.custodians[0]
    folder = world.custodian_folder(lost)
    stage.lost = lost
    world.close_custodian(lost)
    shutil.rmtree(folder)
    screen.says(f"  The directory of {names[lost]} as a custodian is deleted: rows, shares, keys and log.")
    stage.claim(
        "the patient still reads everything from the others", _all_open(stage) > stage.counts["deposited"]
    )
    successor = _new_custodian(stage)
    holder = publish_statement(
        world.network,
        stage.holder,
        (successor, *before.custodians[1:]),
        before.custodian_seed,
        before.registrar,
        before.escrow,
    )
    receipt = repair(world.network, holder, stage.statement, 1, (2, 3))
    repair(world.network, holder, stage.statement, 1, (2, 3, 4))  # the emergency escrow needs three
    stage.claim(
        f"two helpers remade {receipt.count} shares at {SUCCESSOR}; nobody put a secret together on the way",
        receipt.count >= stage.counts["deposited"],
    )
    stage.tend()
    stage.claim(
        "two custodians alone, one of them the successor, now serve a reader", _opens_with(stage, successor)
    )


def _new_custodian(stage: Stage) -> int:
    """Another hospital is verified and joins the custodians."""
    founding.organisation(stage, SUCCESSOR, (Role.HOSPITAL,))
    return stage.organisations[SUCCESSOR].number


def _all_open(stage: Stage) -> int:
    """How many records the patient's agent opens."""
    network = stage.world.network
    access = accesses.by_holder(network, stage.holder, stage.statement, EVERYTHING)
    return len(retrieve(network, access, stage.statement, EVERYTHING).records)


def _opens_with(stage: Stage, successor: int) -> bool:
    """Whether one record opens with the successor's share and one other custodian's."""
    network, statement = stage.world.network, stage.statement
    access = accesses.by_holder(network, stage.holder, statement, EVERYTHING)
    few = {number: network.custodians[number] for number in (successor, statement.custodians[1])}
    found = retrieve(replace(network, custodians=few), access, statement, clinical(Category.REPORT))
    return len(found.records) > 0 and not found.complete


def erase_one(stage: Stage) -> None:
    """The patient has one record erased: shares destroyed, attested; the author's chart is not reached."""
    screen, network = stage.screen, stage.world.network
    screen.chapter("The patient erases a record")
    handle = stage.kept["note"]
    assert isinstance(handle, bytes)
    diagnoses = clinical(Category.DIAGNOSIS)
    access = accesses.by_holder(network, stage.holder, stage.statement, diagnoses)
    mine = retrieve(network, access, stage.statement, diagnoses)
    record = next(each for each in mine.records if each.handle == handle)
    holders = stage.statement.custodians
    versions = all_versions(mine.records, record.manifest.record_id)
    confirmation = erase(network, stage.holder, versions, "patient-request")
    stage.tend()
    view = network.ledger.fresh_head()
    erasure = conclude(view, record.found.leaf, holders, network.thresholds.opening)
    stage.claim(
        f"{len(erasure.attested)} of {len(holders)} custodians attested that they destroyed their shares",
        erasure.erased,
    )
    stage.refusal(
        "the patient's own agent, asking for it again",
        lambda: retrieve(network, access, stage.statement, handles=[handle]),
        "erased",
    )
    copy = read_back(network, stage.organisations[CITY], handle)
    stage.claim(
        f"the author's own chart at {CITY} still has it, as the law demands and the confirmation says",
        bool(copy.body) and confirmation.authors == (stage.organisations[CITY].number,),
    )


def audit_everything(stage: Stage) -> None:
    """The patient sees who read what, when and why, and that nothing is missing."""
    screen, network = stage.screen, stage.world.network
    screen.chapter("The patient audits")
    stage.tend()
    failed = cosign_all(network)
    stage.claim("every release log is cosigned by all other custodians, who recomputed it", not failed)
    found = audit(network, stage.holder)
    names = stage.world.keyring.labels()
    shown = [access for access in found.accesses if access.reader]
    screen.table(
        "Requests by others (the patient's own are left out here)",
        ("when", "who", "rule", "outcome", "n", "categories"),
        (_access_row(access, names) for access in shown),
    )
    days = Counter(_day(access) for access in found.accesses)
    screen.bars("Requests by day, the patient's own included", sorted(days.items()))
    for log in found.logs:
        if log.completeness is not None:
            screen.says(
                f"  {names[log.custodian]}: exactly {log.completeness.count} entries, none missing, proved"
            )
    alarms = [access for access in shown if access.alarmed]
    stage.claim(
        "the broken glass stands there with its alarm", len(alarms) == 1 and alarms[0].rule == "break-glass"
    )
    stage.claim("the refusals stand there too", any("refused" in access.outcome for access in shown))
    withheld = set(stage.statement.custodians[2:])
    for number, problem in found.problems:
        screen.says(f"  [yellow]![/yellow] {names[number]}: {problem}")
    stage.claim(
        "the lost custodian is named, and the one request that was kept from three custodians is noticed",
        {number for number, _ in found.problems} == withheld | {stage.lost},
    )
    _prove(stage, found)
    _show_parts(stage)


def _access_row(access: Access, names: dict[int, str]) -> tuple[str, ...]:
    categories = sorted({Compartment.numbered(number).category.code for number in access.compartments})
    return (
        _day(access),
        names.get(access.reader, str(access.reader)),
        f"{access.rule}, {access.purpose}",
        access.outcome + (f" ({', '.join(access.reasons)})" if access.reasons else ""),
        str(access.versions),
        ", ".join(categories),
    )


def _day(access: Access) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(access.at_time))


def _prove(stage: Stage, found: Audit) -> None:
    """A file that proves the completeness of one log to anybody, offline."""
    log = next(each for each in found.logs if each.completeness is not None)
    file = completeness_file(stage.world.network, stage.holder, log)
    path = stage.world.folder / "audit.proof"
    path.write_bytes(file)
    sentence = verify_file(path.read_bytes())
    stage.screen.says(f"  audit.proof: {sentence}")
    altered = bytearray(file)
    altered[len(file) // 2] ^= 1
    stage.refusal(
        "a copy of that file with one bit changed", lambda: verify_file(bytes(altered)), "MalformedBytes"
    )


def _show_parts(stage: Stage) -> None:
    """Where the parts of one record lie."""
    network, reports = stage.world.network, clinical(Category.REPORT)
    access = accesses.by_holder(network, stage.holder, stage.statement, reports)
    record = retrieve(network, access, stage.statement, reports).records[0]
    row, names = record.found.row, stage.world.keyring.labels()
    holders = [names[stage.statement.custodians[place - 1]] for place in sorted(record.found.shares)]
    stage.screen.table(
        f"Where one record lies: {record.manifest.resource_type}, {record.manifest.clinical_date}",
        ("part", "where"),
        (
            ("header, sealed to the epoch key", f"block {cids.text(row.header)}"),
            ("manifest, sealed", f"block {cids.text(row.manifest)}"),
            ("body, sealed and padded", f"block {cids.text(row.body)}"),
            ("shares of the custodial secret, 2 of 5", ", ".join(holders)),
            (
                "epoch key",
                f"epoch {row.epoch} of {record.compartment}: the patient, and whom the patient let",
            ),
            (
                "leaf under an anchored root",
                f"leaf {row.index} of {row.size}, block {record.found.anchor.block}",
            ),
        ),
    )


def check_everything(stage: Stage) -> None:
    """Everything again, from what lies on the disk."""
    world, network = stage.world, stage.world.network
    stage.screen.chapter("Everything is checked once more")
    access = accesses.by_holder(network, stage.holder, stage.statement, EVERYTHING)
    mine = retrieve(network, access, stage.statement, EVERYTHING)
    stage.claim(
        f"the patient's agent opens all {len(mine.records)} records that were deposited and not erased",
        len(mine.records) == stage.counts["deposited"] and mine.complete and not mine.problems,
    )
    stage.claim(
        "every registration was entered in its own time, apart from its alias; none waits",
        stage.tend() == (0, 0),
    )
    health = world.blocks.verify()
    stage.claim(f"all {health.blocks} blocks in storage are what their identifiers name", health.sound)
    replayed = verify_chain(world.folder / "ledger")
    stage.claim(
        f"the ledger's {replayed.head.number} blocks replay from genesis to the same hashes and writes", True
    )
    marks = [PATIENT.encode(), PATIENT.split()[-1].encode(), NATIONAL_ID.encode()]
    stage.claim(
        "name and national id stand in no file of ledger, blocks, board or custodians",
        not any(
            _stands_in(world.folder / part, marks) for part in ("ledger", "blocks", "board.db", "custodians")
        ),
    )


def _stands_in(place: Path, marks: list[bytes]) -> bool:
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return any(mark in path.read_bytes() for path in files for mark in marks)
