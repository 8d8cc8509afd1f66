"""Reads everything of a data directory back after something happened to it: files, logs, records, consents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from careledger.app.checking import check
from careledger.domain.records import Ground
from careledger.workflows.accesses import by_holder
from careledger.workflows.audit import Audit, audit
from careledger.workflows.batches import Writer
from careledger.workflows.cosigning import checkpoint_all, cosign_all
from careledger.workflows.deposit import PLAN, resume
from careledger.workflows.epochs import own_statement
from careledger.workflows.retrieve import Retrieved, retrieve
from story import DIAGNOSIS, Story, said


def assert_files_hold_together(folder: Path) -> Counter[str]:
    """Chain replayed, blocks hashed, facts folded, logs made again; how many parts of each kind were checked."""
    findings = list(check(folder))
    assert [finding.sentence for finding in findings if not finding.holds] == []
    return Counter(finding.part.split()[0] for finding in findings)


def assert_logs_hold_together(told: Story) -> None:
    """Every release log is anchored and cosigned by all others: no crash made one of them show two histories."""
    assert checkpoint_all(told.world.network) == {}
    assert cosign_all(told.world.network) == {}


def read_back(told: Story, alias: bytes) -> Retrieved:
    """What the patient's agent reads of diagnoses after unfinished deposits were finished."""
    for organisation in told.organisations.values():
        resume(told.world.network, Writer(organisation, Ground.REGISTRAR))
        assert list(organisation.books.rows(PLAN)) == []
    holder = told.holder(alias)
    statement, _ = own_statement(holder)
    access = by_holder(told.world.network, holder, statement, [DIAGNOSIS])
    return retrieve(told.world.network, access, statement, [DIAGNOSIS])


def assert_acknowledged_is_there(told: Story, alias: bytes, acknowledged: Mapping[bytes, str]) -> int:
    """Each acknowledged note opens, is trusted, and is there once; returns how many others there are.

    Others were never acknowledged: they may be there, but whole and once as well.
    """
    read = read_back(told, alias)
    assert read.problems == ()
    assert read.complete
    assert [record.distrust for record in read.records if record.distrust] == []
    notes = {record.handle: said(record.body.canonical) for record in read.records if record.manifest.author}
    assert {handle: notes.get(handle) for handle in acknowledged} == dict(acknowledged)
    assert [words for words, count in Counter(notes.values()).items() if count > 1] == []
    return len(notes) - len(acknowledged)


def assert_revoked(told: Story, consents: Iterable[tuple[bytes, bytes]]) -> int:
    """Each of these consents (owner, commitment) is over on the ledger; returns how many there are."""
    view = told.world.ledger.fresh_head()
    facts = [view.consent(owner, commitment) for owner, commitment in consents]
    assert all(fact is not None and fact.revoked_at for fact in facts)
    return len(facts)


def assert_nothing_is_missing_in_the_log(told: Story, alias: bytes) -> Audit:
    """The patient's audit of every custodian is complete."""
    found = audit(told.world.network, told.holder(alias))
    assert found.problems == ()
    return found
