"""Crashes of what is done with records: reported, signed, adopted, imported, carried elsewhere, ordered, completed."""

from __future__ import annotations

import io
import json
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from careledger.domain.records import Ground
from careledger.fhir.documents import MOST_INSIDE
from careledger.fhir.split import import_bundle
from careledger.formats.bodies import LargeBody
from careledger.workflows.accept import accept
from careledger.workflows.accesses import by_consent
from careledger.workflows.actors import Staff
from careledger.workflows.amend import amend, cosign
from careledger.workflows.archives import as_archive, import_archive, open_archive
from careledger.workflows.arrive import Announced, Arriving, Filed
from careledger.workflows.contents import content_reader
from careledger.workflows.deposit import MISSING, PLAN, complete, deposit
from careledger.workflows.epochs import own_statement
from careledger.workflows.erase import conclude, erase
from careledger.workflows.from_documents import staged_document
from careledger.workflows.from_fhir import staged
from careledger.workflows.import_file import import_file, namespace_of
from careledger.workflows.intake import import_for, take_in
from careledger.workflows.network import Network
from careledger.workflows.note import clinical_note
from careledger.workflows.order import (
    ACCEPT,
    CONFIRM,
    DISPUTE,
    MOVE,
    RESTRICT,
    UNRESTRICT,
    order,
    repeat_orders,
)
from careledger.workflows.patient_reported import Report, report
from careledger.workflows.received import live_grant
from careledger.workflows.register import identities, kept_holder
from careledger.workflows.retrieve import Record, newest
from careledger.workflows.undo_import import undo_import
from crash_patients import with_record
from crashing import Attempt, Finish, Scenario, Trial, die, first_some_last
from world import AMEND, DIAGNOSIS, VIEW, World, condition, texts

ONE = (DIAGNOSIS,)
LETTER = Report(b"%PDF", "application/pdf", "Letter", "Upazila", "fever", "2026-01-03", "2026-01-05")
RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "p"},
    *(
        {
            "resourceType": "Condition",
            "id": name,
            "code": {"text": name},
            "subject": {"reference": "Patient/p"},
        }
        for name in ("asthma", "gout")
    ),
]
FILE = json.dumps(
    {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"https://example.org/{each['resourceType']}/{each['id']}", "resource": each}
            for each in RESOURCES
        ],
    }
).encode()


def whole(world: World, depositor: Any) -> None:
    """Nothing of a deposit waits: no plan is open and no custodian lacks its share."""
    assert list(depositor.books.rows(PLAN)) == []
    assert complete(world.network, depositor) == 0
    assert list(depositor.books.rows(MISSING)) == []


def reporting(world: World) -> Attempt:
    mine = world.claimed(compartments=ONE)

    def attempt(trial: Trial) -> Finish:
        made = replace(LETTER, file=secrets.token_bytes(9))
        statement = own_statement(mine)[0]
        die(
            trial,
            lambda: report(
                trial.network,
                trial.holder(mine),
                trial.organisation(world.hospital),
                statement,
                made,
                DIAGNOSIS,
            ),
        )

        def finish() -> None:
            report(world.network, mine, world.hospital, statement, made, DIAGNOSIS)
            read = world.read_own(mine)
            assert [record.body.original for record in read.records].count(made.file) == 1
            whole(world, mine)

        return finish

    return attempt


def adopting(world: World) -> Attempt:
    mine = world.claimed(compartments=ONE)
    amending = world.grant(mine, world.doctor, permissions=(VIEW, AMEND))

    def attempt(trial: Trial) -> Finish:
        statement = own_statement(mine)[0]
        made = replace(LETTER, file=secrets.token_bytes(9))
        report(world.network, mine, world.hospital, statement, made, DIAGNOSIS)
        before = newest(world.read_own(mine).records)[-1]
        writer = world.writer(ground=Ground.APPEND, granted=amending)
        asked = (statement, before, world.doctor.number, world.doctor.key)
        die(trial, lambda: cosign(trial.network, trial.writer(writer), *asked))

        def finish() -> None:
            cosign(world.network, writer, *asked)
            same = [
                record
                for record in world.read_own(mine).records
                if record.manifest.record_id == before.manifest.record_id
            ]
            assert [record.manifest.source for record in same][-1] == "signed"
            assert len(same) == before.manifest.version + 1
            whole(world, world.hospital)

        return finish

    return attempt


def noting(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        holder, writer = world.patient(compartments=ONE), world.writer()
        said = (own_statement(holder)[0], world.doctor, "Condition", "asthma", "2026-05-04")
        die(trial, lambda: clinical_note(trial.network, trial.writer(writer), *said))

        def finish() -> None:
            clinical_note(world.network, writer, *said)
            assert texts(world.read_as_registrar(holder)) == ["asthma"]
            whole(world, world.hospital)

        return finish

    return attempt


def importing(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        holder, writer = world.patient(compartments=()), world.writer(world.nurse)
        asked = (own_statement(holder)[0], FILE, "file.json")
        crashing = trial.holder(holder)
        die(trial, lambda: import_file(trial.network, trial.writer(writer), *asked, holder=crashing))

        def finish() -> None:
            made = import_file(world.network, writer, *asked, holder=holder)
            again = import_file(world.network, writer, *asked, holder=holder)
            assert len({*made.deposited.handles, *made.deposited.known}) == len(again.deposited.known)
            read = world.read_as_registrar(holder)
            assert sorted(texts(read)) == ["asthma", "gout"]
            whole(world, world.hospital)

        return finish

    return attempt


def taking_in(world: World) -> Attempt:
    """A file of a patient whom the desk has not met."""
    count = iter(range(1_000_000))

    def attempt(trial: Trial) -> Finish:
        patient = {"resourceType": "Patient", "id": f"new-{next(count)}"}
        told = {"resourceType": "Condition", "id": "c", "code": {"text": "asthma"},
                "subject": {"reference": f"Patient/{patient['id']}"}}  # fmt: skip
        entries = [
            {"fullUrl": f"https://example.org/{each['resourceType']}/{each['id']}", "resource": each}
            for each in (patient, told)
        ]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        data = json.dumps(bundle).encode()
        report = staged(import_bundle(data, "file.json", namespace=namespace_of(world.hospital)))
        staff = replace(world.nurse, organisation=trial.organisation(world.hospital))
        die(trial, lambda: take_in(trial.network, world.session(staff), report))

        def finish() -> None:
            [made] = take_in(world.network, world.session(world.nurse), report)[1]
            [again] = take_in(world.network, world.session(world.nurse), report)[1]
            assert (made.alias, len(again.deposited.known)) == (again.alias, 2)
            read = world.read_as_registrar(kept_holder(world.hospital, made.alias or b""))
            assert texts(read) == ["asthma"]
            assert len([each for each in identities(world.hospital) if each.alias == made.alias]) == 1
            whole(world, world.hospital)

        return finish

    return attempt


def taking_in_for(world: World) -> Attempt:
    """A file for the patient whom the desk names."""
    report = staged(import_bundle(FILE, "file.json", namespace=namespace_of(world.hospital)))

    def attempt(trial: Trial) -> Finish:
        holder = world.patient(compartments=())
        statement = own_statement(holder)[0]
        session = world.session(world.nurse)
        die(trial, lambda: import_for(trial.network, trial.session(session), statement, report))

        def finish() -> None:
            import_for(world.network, session, statement, report)
            assert len(import_for(world.network, session, statement, report).deposited.known) == 3
            assert sorted(texts(world.read_as_registrar(holder))) == ["asthma", "gout"]
            whole(world, world.hospital)

        return finish

    return attempt


def undoing(world: World) -> Attempt:
    """An import with a record that somebody went on with."""
    report = staged(import_bundle(FILE, "file.json", namespace=namespace_of(world.hospital)))
    session = world.session(world.nurse)

    def attempt(trial: Trial) -> Finish:
        holder, run = world.patient(compartments=()), secrets.token_bytes(16)
        statement = own_statement(holder)[0]
        import_for(world.network, session, statement, report, run=run)
        [before] = [each for each in world.read_as_registrar(holder).records if texts_of(each) == "gout"]
        amend(world.network, world.writer(), statement, before, condition(world.doctor, "severe gout"))
        die(trial, lambda: undo_import(trial.network, trial.session(session), run))

        def finish() -> None:
            undo_import(world.network, session, run)
            [undone] = undo_import(world.network, session, run)
            assert (undone.retracted, undone.before, undone.error) == (0, 3, None)
            assert [texts_of(each) for each in newest(shown(world, holder))] == ["severe gout"]
            again = import_for(world.network, session, statement, report, run=secrets.token_bytes(16))
            assert len(again.deposited.handles) == 3
            assert sorted(texts_of(each) for each in newest(shown(world, holder))) == [
                "asthma",
                "severe gout",
            ]
            whole(world, world.hospital)

        return finish

    return attempt


def shown(world: World, holder: Any) -> list[Record]:
    """What a registrar is shown that has not been retracted."""
    return [each for each in world.read_as_registrar(holder).records if "retracted" not in each.found.states]


def texts_of(record: Record) -> str:
    return str(json.loads(record.body.canonical)["code"]["text"])


def carrying(world: World) -> Attempt:
    """An archive with an amended record and one with a file, imported elsewhere."""
    holder = with_record(world)
    before = world.read_as_registrar(holder).records[0]
    amend(world.network, world.writer(), own_statement(holder)[0], before, condition(world.doctor, "copd"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scan.pdf")
        path.write_bytes(b"%PDF-1.7 " + secrets.token_bytes(MOST_INSIDE))
        document = staged_document(path, namespace_of(world.hospital), holder.alias, DIAGNOSIS)
        import_for(world.network, world.session(world.nurse), own_statement(holder)[0], document)
    mine = world.claim(holder).holder
    archive = b"".join(as_archive(world.network, mine, world.read_own(mine).records))
    opened = open_archive(mine.keys, io.BytesIO(archive))

    def attempt(trial: Trial) -> Finish:
        assert b"".join(as_archive(trial.network, mine, world.read_own(mine).records))
        elsewhere = world.claimed(world.clinic, compartments=ONE)
        own, statement = world.own_writer(elsewhere), own_statement(elsewhere)[0]
        die(trial, lambda: import_archive(trial.network, trial.writer(own), statement, opened))

        def finish() -> None:
            import_archive(world.network, own, statement, opened)
            records = world.read_own(elsewhere).records
            assert sorted(record.manifest.version for record in records) == [1, 1, 1, 2]
            assert len(newest(records)) == 3
            [content] = [each.body.content for each in records if isinstance(each.body, LargeBody)]
            assert len(b"".join(content_reader(world.network, content).pieces())) == content.size
            whole(world, elsewhere)

        return finish

    return attempt


def ordering(act: str, mark: str, opens: int = 1) -> Callable[[World], Attempt]:
    """One order about one record; what its holder's agent reads of it then."""

    def start(world: World) -> Attempt:
        def attempt(trial: Trial) -> Finish:
            holder = world.patient(compartments=ONE)
            world.put(world.writer(), holder.alias, condition(world.doctor))
            record = world.read_as_registrar(holder).records[0]
            if act == UNRESTRICT:
                order(world.network, holder, RESTRICT, [record.handle], "wish")
            die(trial, lambda: order(trial.network, trial.holder(holder), act, [record.handle], "wish"))

            def finish() -> None:
                repeat_orders(world.network, holder)
                order(world.network, holder, act, [record.handle], "wish")
                assert repeat_orders(world.network, holder) == 0
                assert world.opens(holder) == opens
                kept = [
                    directory.rows.version(holder.alias, record.handle)
                    for directory in world.directories.values()
                ]
                assert {(each.state, each.mark) for each in kept if each is not None} == {tuple(mark.split())}

            return finish

        return attempt

    return start


def erasing(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        holder = world.patient(compartments=ONE)
        world.put(world.writer(), holder.alias, condition(world.doctor))
        holder = world.claim(holder).holder
        [record] = world.read_own(holder).records
        die(trial, lambda: erase(trial.network, trial.holder(holder), [record], "wish"))

        def finish() -> None:
            repeat_orders(world.network, holder)
            erase(world.network, holder, [record], "wish")
            assert repeat_orders(world.network, holder) == 0
            listed, view = own_statement(holder)[0].custodians, world.ledger.fresh_head()
            assert conclude(view, record.found.leaf, listed, world.network.thresholds.opening).erased
            for number in listed:
                rows = world.directories[number].rows
                assert record.handle not in rows.shares(holder.alias)
                assert rows.owed_attestations() == []
                if rows.version(holder.alias, record.handle) is not None:
                    assert number in view.erased_by(record.found.leaf)

        return finish

    return attempt


def accepting(world: World) -> Attempt:
    mine = world.claim(with_record(world)).holder
    world.grant(mine, world.outsider)

    def attempt(trial: Trial) -> Finish:
        unasked = world.writer(world.outsider, Ground.UNASKED)
        [handle] = world.put(unasked, mine.alias, condition(world.outsider)).handles.values()
        die(trial, lambda: order(trial.network, trial.holder(mine), ACCEPT, [handle], "yes"))

        def finish() -> None:
            repeat_orders(world.network, mine)
            order(world.network, mine, ACCEPT, [handle], "yes")
            assert repeat_orders(world.network, mine) == 0
            kept = [directory.rows.version(mine.alias, handle) for directory in world.directories.values()]
            assert {each.accepted for each in kept if each is not None} == {True}

        return finish

    return attempt


def treating(world: World) -> Attempt:
    """A treating doctor accepts what was deposited unasked."""
    mine = world.claim(with_record(world)).holder
    world.grant(mine, world.doctor)
    world.read_by_consent(world.doctor, mine.alias)

    def attempt(trial: Trial) -> Finish:
        unasked = world.writer(world.outsider, Ground.UNASKED)
        [handle] = world.put(unasked, mine.alias, condition(world.outsider)).handles.values()
        session, statement = world.session(), own_statement(mine)[0]
        access = by_consent(session, live_grant(world.network, world.doctor, mine.alias, "TREAT"))
        die(trial, lambda: accept(trial.network, session, access, statement, [handle]))

        def finish() -> None:
            accept(world.network, session, access, statement, [handle])
            kept = [directory.rows.version(mine.alias, handle) for directory in world.directories.values()]
            assert {each.accepted for each in kept if each is not None} == {True}

        return finish

    return attempt


def completing(world: World) -> Attempt:
    """Two custodians miss a deposit; the depositor dies while it gives them what they lack."""

    def attempt(trial: Trial) -> Finish:
        holder = world.patient(compartments=ONE)
        away = own_statement(holder)[0].custodians[:1]
        links = {number: world.links.pop(number) for number in away}
        made = deposit(world.network, world.writer(), own_statement(holder)[0], [condition(world.doctor)])
        world.links.update(links)
        [handle] = made.handles.values()
        die(trial, lambda: complete(trial.network, trial.organisation(world.hospital)))

        def finish() -> None:
            whole(world, world.hospital)
            for number in away:
                assert handle in world.directories[number].rows.shares(holder.alias)
            assert texts(world.read_as_registrar(holder)) == ["asthma"]

        return finish

    return attempt


KEPT = "kept unconfirmed"


def filing(world: World) -> Attempt:
    """A document that is too large to lie in its record."""
    folder = Path(tempfile.mkdtemp())

    def attempt(trial: Trial) -> Finish:
        holder = world.patient(compartments=())
        path = folder / f"{secrets.token_hex(4)}.pdf"
        path.write_bytes(b"%PDF-1.7 " + secrets.token_bytes(MOST_INSIDE))
        document = staged_document(path, namespace_of(world.hospital), holder.alias, DIAGNOSIS)
        statement = own_statement(holder)[0]
        staff = replace(world.nurse, organisation=trial.organisation(world.hospital))
        die(trial, lambda: import_for(trial.network, world.session(staff), statement, document))

        def finish() -> None:
            import_for(world.network, world.session(world.nurse), statement, document)
            again = import_for(world.network, world.session(world.nurse), statement, document)
            assert len(again.deposited.known) == 2
            bodies = [record.body for record in world.read_as_registrar(holder).records]
            [content] = [body.content for body in bodies if isinstance(body, LargeBody)]
            assert b"".join(content_reader(world.network, content).pieces()) == path.read_bytes()
            whole(world, world.hospital)
            path.unlink()

        return finish

    return attempt


def arriving(world: World) -> Attempt:
    """A file that comes piece by piece."""
    data = b"%PDF-1.7 " + secrets.token_bytes(MOST_INSIDE)

    def attempt(trial: Trial) -> Finish:
        holder, unique = world.patient(compartments=()), secrets.token_bytes(32)
        statement = own_statement(holder)[0]
        said = Announced("application/pdf", DIAGNOSIS)

        def send(network: Network, staff: Staff) -> Filed:
            coming = Arriving(network, world.session(staff), statement, said, unique)
            for at in range(0, len(data), 1_000_000):
                coming.add(data[at : at + 1_000_000])
            coming.finish()
            return coming.file()

        staff = replace(world.nurse, organisation=trial.organisation(world.hospital))
        die(trial, lambda: send(trial.network, staff))

        def finish() -> None:
            made, again = send(world.network, world.nurse), send(world.network, world.nurse)
            assert (again.record, again.handle, again.new) == (made.record, made.handle, False)
            bodies = [record.body for record in world.read_as_registrar(holder).records]
            [content] = [body.content for body in bodies if isinstance(body, LargeBody)]
            assert b"".join(content_reader(world.network, content).pieces()) == data
            whole(world, world.hospital)

        return finish

    return attempt


SCENARIOS = {
    "a patient reports a file": Scenario(
        ("patient_reported.report",), reporting, 15, first_some_last(3, 5, 5)
    ),
    "a doctor adopts what was reported": Scenario(("amend.cosign",), adopting, 15, first_some_last(2, 4, 3)),
    "a doctor signs a note": Scenario(("note.clinical_note",), noting, 15, first_some_last(3, 6, 5)),
    "a file is imported": Scenario(
        ("import_file.import_file", "import_file.import_report", "epochs.ensure_epochs", "deposit.resume"),
        importing,
        20,
        first_some_last(2, 6, 5),
    ),
    "a large document is filed": Scenario(("contents.seal_file",), filing, 15, first_some_last(4, 3, 3)),
    "a file comes piece by piece": Scenario(("arrive.Arriving",), arriving, 15, first_some_last(4, 3, 3)),
    "a file of a new patient is taken in": Scenario(
        ("intake.take_in", "staging.deposit_staged"), taking_in, 30, first_some_last(5, 8, 4)
    ),
    "a file is taken in for a patient who is named": Scenario(
        ("intake.import_for",), taking_in_for, 20, first_some_last(2, 4, 3)
    ),
    "an import is undone": Scenario(("undo_import.undo_import",), undoing, 6),
    "an archive is imported elsewhere": Scenario(
        ("archives.as_archive", "archives.import_archive"), carrying, 30, first_some_last(2, 2, 2)
    ),
    "a record is restricted": Scenario(
        ("order.order", "order.repeat_orders"), ordering(RESTRICT, "restricted unconfirmed", 0), 7
    ),
    "a restriction is lifted": Scenario(
        ("order.order",), ordering(UNRESTRICT, KEPT), 7, first_some_last(2, 2, 2)
    ),
    "a record is confirmed": Scenario(("order.order",), ordering(CONFIRM, "kept confirmed"), 7),
    "a record is disputed": Scenario(
        ("order.order",), ordering(DISPUTE, "kept disputed"), 7, first_some_last(2, 2, 2)
    ),
    "a record is ordered away": Scenario(
        ("order.order",), ordering(MOVE, "moved unconfirmed", 0), 7, first_some_last(2, 2, 2)
    ),
    "a record is erased": Scenario(("erase.erase", "order.order"), erasing, 8, first_some_last(3, 3, 2)),
    "an unasked record is accepted": Scenario(("order.order",), accepting, 7),
    "a treating doctor accepts": Scenario(("accept.accept",), treating, 5),
    "a thin deposit is completed": Scenario(("deposit.complete",), completing, 2),
}
