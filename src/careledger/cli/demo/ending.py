"""Last chapters: a custodian is lost and repaired, a record erased, everything audited and checked."""

from __future__ import annotations

import shutil
from dataclasses import replace

from careledger.cli.demo import founding
from careledger.cli.demo.founding import CITY
from careledger.cli.demo.stage import EVERYTHING, Stage, clinical
from careledger.domain.categories import Category
from careledger.domain.parties import Role
from careledger.workflows import accesses
from careledger.workflows.chart import read_back
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
    stage.tend_logs()
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
    erase(network, stage.holder, all_versions(mine.records, record.manifest.record_id), "patient-request")
    stage.tend_logs()
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
        "the author's own chart still has it, as the law demands and the confirmation says", bool(copy.body)
    )


def audit_everything(stage: Stage) -> None:
    """ """


def check_everything(stage: Stage) -> None:
    """Everything again, from what lies on the disk."""
    network = stage.world.network
    stage.screen.chapter("Everything is checked once more")
    access = accesses.by_holder(network, stage.holder, stage.statement, EVERYTHING)
    mine = retrieve(network, access, stage.statement, EVERYTHING)
    stage.claim(
        f"the patient's agent opens all {len(mine.records)} records that were deposited and not erased",
        len(mine.records) == stage.counts["deposited"] and mine.complete and not mine.problems,
    )
