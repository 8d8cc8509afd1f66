"""Last chapters: a custodian is lost and repaired, a record erased, everything audited and checked."""

from __future__ import annotations

from careledger.cli.demo.founding import CITY
from careledger.cli.demo.stage import EVERYTHING, Stage, clinical
from careledger.domain.categories import Category
from careledger.workflows import accesses
from careledger.workflows.chart import read_back
from careledger.workflows.erase import all_versions, conclude, erase
from careledger.workflows.retrieve import retrieve


def lose_a_custodian(stage: Stage) -> None:
    """ """


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
        f"{len(erasure.attested)} of {holders} custodians that held a share attested its destruction",
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
        len(mine.records) == stage.kept["deposited"] and mine.complete and not mine.problems,
    )
