"""Granting and revoking by how many records there are and how many epochs came before; milliseconds, and the ratio.

    python bench/consents.py [--json] [--records N] [--epochs N] [--times N] [--directory DIR]

A grant is one wrap for each compartment and one entry on the ledger, whatever there is in it: so the figures for many
records, and for many earlier epochs (each of which began with a grant's revocation), are to be those for few. The rival
of each is the same act where there are few.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from _measured import Figure, run
from _network import new_stage

from careledger.adapters.books.memory import MemoryBooks
from careledger.cli.demo.founding import CITY, LAKESIDE
from careledger.cli.demo.stage import Stage
from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.parties import PartyId
from careledger.domain.records import Ground
from careledger.formats.bodies import RecordBody
from careledger.sealing.phrase import Phrase
from careledger.workflows import register
from careledger.workflows.accesses import by_consent
from careledger.workflows.actors import Holder
from careledger.workflows.batches import Writer
from careledger.workflows.claim import claim
from careledger.workflows.deposit import deposit
from careledger.workflows.epochs import own_statement
from careledger.workflows.grant import Granted, grant
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.received import fetch_grants, live_grant
from careledger.workflows.retrieve import retrieve
from careledger.workflows.revoke import revoke

COMMAND = "python bench/consents.py"
REPORT = Compartment(Category.REPORT)
SEN = "Dr Sen, Lakeside"
FEW = 100
DAY = 24 * 3600


def patient(stage: Stage, records: int, epochs: int) -> Holder:
    """A claimed patient with so many small reports, and so many epochs since the claim."""
    network, city = stage.world.network, stage.organisations[CITY]
    unclaimed = register.patient(network, city, compartments=[REPORT.number])
    statement, _ = own_statement(unclaimed)
    writer = Writer(city, Ground.REGISTRAR, stage.session("records desk, City"))
    for first in range(0, records, 5_000):
        deposit(
            network, writer, statement, [report(each) for each in range(first, min(first + 5_000, records))]
        )
    holder = claim(network, city, unclaimed.alias, Phrase.random(), MemoryBooks()).holder
    sen = stage.session(SEN).staff
    given(stage, holder, Grantee(GranteeKind.POST, sen.number, PartyId(sen.organisation.number)))
    for _ in range(epochs - 1):
        act(stage, holder)
    return holder


def report(number: int) -> NewVersion:
    """A small report."""
    body = f'{{"resourceType":"DiagnosticReport","id":"{number}"}}'.encode()
    return NewVersion(
        number.to_bytes(16, "big"), 1, None, "DiagnosticReport", "", REPORT,
        RecordBody(body, body, None, None, ()), "application/fhir+json", "imported", str(number), 1, "2026-01-01",
    )  # fmt: skip


def acts(stage: Stage, holders: Sequence[Holder], times: int) -> list[tuple[float, float]]:
    """Median milliseconds of a grant and of its revocation by each of these, who act in turns: what else the machine
    does meanwhile holds up all alike."""
    taken = [[act(stage, holder) for holder in holders] for _ in range(times)]
    return [
        (1000 * statistics.median(granting), 1000 * statistics.median(revoking))
        for granting, revoking in (zip(*each, strict=True) for each in zip(*taken, strict=True))
    ]


def act(stage: Stage, holder: Holder) -> tuple[float, float]:
    """Seconds of a grant and of its revocation."""
    number = stage.organisations[LAKESIDE].number
    grantee = Grantee(GranteeKind.ORGANISATION, number, PartyId(number))
    begun = time.perf_counter()
    made = given(stage, holder, grantee)
    granted = time.perf_counter()
    revoke(stage.world.network, holder, made.owner)
    return granted - begun, time.perf_counter() - granted


def given(stage: Stage, holder: Holder, grantee: Grantee) -> Granted:
    """A consent to see reports for a day."""
    now, scope = stage.clock.now(), Scope(frozenset({REPORT}), frozenset({Permission.VIEW}))
    return grant(stage.world.network, holder, grantee, scope, Purpose.TREAT, Window(now, now + DAY))


def looks(stage: Stage, holders: Sequence[Holder], times: int) -> list[float]:
    """Median milliseconds of a look at everything of each of these by a post that was let in before the epochs."""
    taken = [[look(stage, holder) for holder in holders] for _ in range(times)]
    return [1000 * statistics.median(each) for each in zip(*taken, strict=True)]


def look(stage: Stage, holder: Holder) -> float:
    """Seconds of one."""
    network, session, statement = stage.world.network, stage.session(SEN), own_statement(holder)[0]
    fetch_grants(network, session.staff.organisation)
    begun = time.perf_counter()
    found = live_grant(network, session.staff, holder.alias, Purpose.TREAT.code)
    seen = retrieve(network, by_consent(session, found), statement, [REPORT])
    taken = time.perf_counter() - begun
    assert len(seen.records) == FEW
    return taken


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Few records and epochs, many records, many epochs."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        stage = new_stage(Path(scratch) / "network")
        each = [patient(stage, FEW, 1), patient(stage, chosen.records, 1), patient(stage, FEW, chosen.epochs)]
        acts(stage, each, 3)  # what is loaded and compiled at the first time is no part of an act
        few, many, old = acts(stage, each, chosen.times)
        at_first, later = looks(stage, [each[0], each[2]], chosen.times)
        stage.world.close()
    rival = f"{FEW} records, one epoch"
    return [
        Figure.of(f"grant, {chosen.records:,} records", many[0], "ms", COMMAND, rival, few[0]),
        Figure.of(f"revoke, {chosen.records:,} records", many[1], "ms", COMMAND, rival, few[1]),
        Figure.of(f"grant, {chosen.epochs:,} epochs", old[0], "ms", COMMAND, rival, few[0]),
        Figure.of(f"revoke, {chosen.epochs:,} epochs", old[1], "ms", COMMAND, rival, few[1]),
        Figure.of(
            f"{FEW} records seen after {chosen.epochs:,} epochs", later, "ms", COMMAND, rival, at_first
        ),
    ]


if __name__ == "__main__":
    run(
        __doc__ or "", measure,
        ("--records", {"type": int, "default": 100_000}), ("--epochs", {"type": int, "default": 1_000}),
        ("--times", {"type": int, "default": 25}), ("--directory", {"type": Path, "default": None}),
    )  # fmt: skip
