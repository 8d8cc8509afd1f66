"""What a process does in a run, by name: each may be repeated, and says what has to hold once acknowledged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.errors import AccessRefused
from careledger.domain.parties import PartyId
from careledger.domain.records import Ground
from careledger.fhir import split
from careledger.sealing.keys import Secret
from careledger.sealing.phrase import Phrase
from careledger.workflows import register
from careledger.workflows.accesses import by_holder
from careledger.workflows.amend import amend
from careledger.workflows.audit import audit
from careledger.workflows.batches import Writer
from careledger.workflows.break_glass import open_emergency
from careledger.workflows.claim import claim
from careledger.workflows.cosigning import checkpoint_all, cosign_all
from careledger.workflows.deposit import PLAN, complete, resume
from careledger.workflows.epochs import own_statement
from careledger.workflows.erase import erase
from careledger.workflows.from_fhir import new_version
from careledger.workflows.grant import STANDS, certificate_of, finish_grants, given_consents, grant
from careledger.workflows.identity_rows import NOBODY, Identity
from careledger.workflows.import_file import import_file
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.note import clinical_note
from careledger.workflows.order import RESTRICT, order, repeat_orders
from careledger.workflows.patient_reported import Report, report
from careledger.workflows.replace_custodian import replace_custodian
from careledger.workflows.retract import repeat_retractions, retract
from careledger.workflows.retrieve import Record, retrieve
from careledger.workflows.revoke import revoke
from careledger.workflows.signing import signed_by
from careledger.workflows.undo_import import runs, undo_import
from crash.site import FIRST_WORDS, SPARE, TAKEN_BACK, UNDONE_RUN, Site, bundle, opened
from story import DIAGNOSIS, EVERYTHING, ILLNESS

WORDS, AMENDED, LETTER = "words of this run", "other words", b"%PDF of this run"
PHRASE = Phrase(Secret(bytes([7]) * 32))
FILE = bundle("i", ("imported one", "imported two"))


@dataclass(frozen=True)
class Act:
    """``do`` is begun, killed and repeated; ``holds`` asserts what was acknowledged."""

    do: Callable[[Site], object]
    holds: Callable[[Site], None]


def adams(site: Site, unfinished: bool = False) -> list[Record]:
    """All that the patient's agent reads; see ``opened``."""
    plain = Site(site.told)
    holder = plain.holder("adam")
    statement = own_statement(holder)[0]
    access = by_holder(plain.network, holder, statement, EVERYTHING)
    return opened(retrieve(plain.network, access, statement, EVERYTHING), unfinished)


def words(records: list[Record]) -> list[str]:
    return [
        str(json.loads(record.body.canonical)["code"]["text"])
        for record in records
        if b'"text"' in record.body.canonical
        and b'"code"' in record.body.canonical
        and "text" in json.loads(record.body.canonical).get("code", {})
    ]


def _appending(site: Site) -> Writer:
    for given in given_consents(site.holder("adam")):
        certificate = certificate_of(given)
        if given.state == STANDS and Permission.APPEND.code in certificate.scope.permissions:
            doctor = site.post("Dr City")
            return Writer(site.city, Ground.APPEND, site.told.session(doctor), None, given.certificate)
    raise AssertionError("the hospital may append")


def deposit_note(site: Site) -> None:
    statement = own_statement(site.holder("adam"))[0]
    writer, doctor = _appending(site), site.post("Dr City")
    clinical_note(site.network, writer, statement, doctor, "Condition", WORDS, "2026-05-04")
    complete(site.network, site.city)


def is_deposited(site: Site) -> None:
    assert words(adams(site)).count(WORDS) == 1


def import_bundle(site: Site) -> None:
    holder = site.kept()
    statement = own_statement(holder)[0]
    import_file(site.network, site.registrar(), statement, FILE, "file.json", holder=holder)
    complete(site.network, site.city)


def is_imported(site: Site) -> None:
    assert sorted(text for text in words(site.carols()) if "imported" in text) == [
        "imported one",
        "imported two",
    ]


def report_file(site: Site) -> None:
    holder = site.holder("adam")
    made = Report(LETTER, "application/pdf", "Letter", "Upazila", "fever", "2026-01-03")
    report(site.network, holder, site.city, own_statement(holder)[0], made, DIAGNOSIS)
    complete(site.network, holder)


def is_reported(site: Site) -> None:
    assert [record.body.original for record in adams(site)].count(LETTER) == 1


def amend_note(site: Site) -> None:
    resume(site.network, site.registrar())  # as a gateway does before anything else
    complete(site.network, site.city)
    plain, statement = Site(site.told), own_statement(site.kept())[0]
    texts = words(plain.carols())
    if AMENDED not in texts:
        before = next(each for each in plain.carols() if FIRST_WORDS.encode() in each.body.canonical)
        made = _again(site, before, AMENDED)
        amend(site.network, site.registrar(), statement, before, made)
    complete(site.network, site.city)


def _again(site: Site, before: Record, text: str) -> NewVersion:
    resource = json.loads(before.body.canonical) | {"code": {"text": text}}
    found = split.import_bundle(json.dumps(resource).encode(), "Condition")
    return signed_by(new_version(found.versions[0], found.mapping_version), site.post("Dr City"))


def is_amended(site: Site) -> None:
    assert words(site.carols()).count(AMENDED) == 1


def retract_note(site: Site) -> None:
    statement = own_statement(site.kept())[0]
    repeat_retractions(site.network, site.city)
    handles = [record.handle for record in Site(site.told).carols() if FIRST_WORDS in words([record])]
    if handles:
        retract(site.network, site.registrar(), statement, handles)


def is_retracted(site: Site) -> None:
    assert FIRST_WORDS not in words(site.carols(unfinished=True))  # those who missed it still have a share


def undo_run(site: Site) -> None:
    repeat_retractions(site.network, site.city)
    session = site.told.session(site.post("Dr City"))
    [undone] = undo_import(site.network, session, UNDONE_RUN)
    if undone.error is not None:
        raise undone.error


def is_undone(site: Site) -> None:
    assert set(words(site.carols(unfinished=True))).isdisjoint(TAKEN_BACK)
    assert [run.undone for run in runs(site.told.organisations["City"]) if run.id == UNDONE_RUN] == [True]
    assert not list(site.told.organisations["City"].books.rows(PLAN))


def grant_reader(site: Site) -> None:
    holder, reader, now = site.holder("adam"), site.post("Dr Lake"), site.told.world.clock.now()
    finish_grants(site.network, holder)
    if not _standing(site, "Dr Lake"):
        grantee = Grantee(GranteeKind.POST, reader.number, PartyId(reader.organisation.number))
        scope = Scope(frozenset({DIAGNOSIS}), frozenset({Permission.VIEW}))
        grant(site.network, holder, grantee, scope, Purpose.TREAT, Window(now - 1_800, now + 3_600))


def _standing(site: Site, label: str) -> list[bytes]:
    reader = site.told.staff[label].number
    certificates = [
        certificate_of(given) for given in given_consents(site.holder("adam")) if given.state == STANDS
    ]
    return [each.owner for each in certificates if each.grantee.number == reader]


def is_granted(site: Site) -> None:
    assert len(_standing(site, "Dr Lake")) == 1
    assert ILLNESS in words(list(site.told.read_by_consent(site.told.staff["Dr Lake"]).records))


def revoke_reader(site: Site) -> None:
    for owner in _standing(site, "Dr Stay"):
        revoke(site.network, site.holder("adam"), owner)


def is_revoked(site: Site) -> None:
    assert _standing(site, "Dr Stay") == []
    try:
        site.told.read_by_consent(site.told.staff["Dr Stay"])
    except AccessRefused:
        return
    raise AssertionError("a revoked reader reads")


def erase_record(site: Site) -> None:
    holder = site.holder("adam")
    repeat_orders(site.network, holder)
    found = [record for record in adams(site) if ILLNESS in words([record])]
    if found:
        erase(site.network, holder, found, "wish")


def is_erased(site: Site) -> None:
    repeat_orders(site.network, site.holder("adam"))
    assert ILLNESS not in words(adams(site))
    for each in site.told.world.directories.values():
        assert list(each.rows.owed_attestations()) == []


def restrict_record(site: Site) -> None:
    holder = site.holder("adam")
    repeat_orders(site.network, holder)
    found = [record.handle for record in adams(site) if ILLNESS in words([record])]
    order(site.network, holder, RESTRICT, found, "wish")


def is_restricted(site: Site) -> None:
    assert ILLNESS not in words(list(site.told.read_by_consent(site.told.staff["Dr Stay"]).records))


def claim_record(site: Site) -> None:
    keyring = site.told.world.keyring
    if "carol" not in keyring.patients():
        keyring.new_patient("carol", site.carol, PHRASE)
    books = site._books("agent", keyring.patient("carol")[2])
    if site.carol in register.kept_aliases(site.city):
        claim(site.network, site.city, site.carol, PHRASE, books)  # type: ignore[arg-type]


def is_claimed(site: Site) -> None:
    holder = Site(site.told).holder("carol")
    statement = own_statement(holder)[0]
    access = by_holder(site.told.world.network, holder, statement, EVERYTHING)
    read = retrieve(site.told.world.network, access, statement, EVERYTHING)
    assert read.problems == ()
    assert FIRST_WORDS in words(list(read.records))
    assert site.carol not in register.kept_aliases(site.told.organisations["City"])


DORA = replace(NOBODY, name="Dora", national_id="NID-DORA", birth="1960-01-01")


def register_patient(site: Site) -> None:
    register.finish_patients(site.network, site.city)
    if not _doras(site):
        register.patient(site.network, site.city, DORA, compartments=[DIAGNOSIS.number])


def _doras(site: Site) -> list[bytes]:
    rows = [Identity.decode(row) for _, row in site.city.books.rows(register.IDENTITY)]
    return [row.alias for row in rows if row.national_id == DORA.national_id]


def is_registered(site: Site) -> None:
    [alias] = _doras(site)
    facts = site.told.world.ledger.fresh_head().alias(alias)
    assert facts is not None
    assert own_statement(register.kept_holder(site.told.organisations["City"], alias))[0].alias == alias


def repair_place(site: Site) -> None:
    holder = site.holder("adam")
    spare, statement = site.told.organisations[SPARE].number, own_statement(holder)[0]
    lost = statement.custodians[0]
    if spare in statement.custodians:  # begun before: the one that it replaced is no longer named
        everybody = set(site.told.world.directories)
        [lost] = everybody - set(statement.custodians)
    access = by_holder(site.network, holder, statement, ())
    assert replace_custodian(site.network, holder, access, lost, spare).retired


def is_repaired(site: Site) -> None:
    holder, spare = Site(site.told).holder("adam"), site.told.organisations[SPARE].number
    statement = own_statement(holder)[0]
    place = statement.custodians.index(spare) + 1
    assert all(place in record.found.shares for record in adams(site))
    [lost] = set(site.told.world.directories) - set(statement.custodians)
    assert site.told.world.directories[lost].rows.shares(holder.alias) == {}


def anchor_logs(site: Site) -> None:
    failed = [*checkpoint_all(site.network).values(), *cosign_all(site.network).values()]
    if failed:
        raise failed[0]


def are_anchored(site: Site) -> None:
    view = site.told.world.ledger.fresh_head()
    logs = {number: each.journal.log().size() for number, each in site.told.world.directories.items()}
    assert all(view.checkpoint(number) is not None for number, size in logs.items() if size)


def break_the_glass(site: Site) -> None:
    open_emergency(site.network, site.post("Dr City"), site.post("clerk"), site.told.berta, "unconscious")


def is_broken(site: Site) -> None:
    head = site.told.world.ledger.fresh_head().head
    opened = open_emergency(
        site.told.world.network,
        site.told.staff["Dr City"],
        site.told.staff["clerk"],
        site.told.berta,
        "unconscious",
    )
    assert site.told.world.ledger.fresh_head().head == head
    assert site.told.world.ledger.fresh_head().break_glass(opened.entry) is not None


def audit_logs(site: Site) -> None:
    audit(site.network, site.holder("adam"))


def is_audited(site: Site) -> None:
    found = audit(site.told.world.network, Site(site.told).holder("adam"))
    assert all("which names it" in why for _, why in found.problems), found.problems


ACTS = {
    "deposit": Act(deposit_note, is_deposited),
    "import": Act(import_bundle, is_imported),
    "report": Act(report_file, is_reported),
    "amend": Act(amend_note, is_amended),
    "retract": Act(retract_note, is_retracted),
    "undo-import": Act(undo_run, is_undone),
    "grant": Act(grant_reader, is_granted),
    "revoke": Act(revoke_reader, is_revoked),
    "erase": Act(erase_record, is_erased),
    "restrict": Act(restrict_record, is_restricted),
    "claim": Act(claim_record, is_claimed),
    "register": Act(register_patient, is_registered),
    "repair": Act(repair_place, is_repaired),
    "checkpoint": Act(anchor_logs, are_anchored),
    "break-glass": Act(break_the_glass, is_broken),
    "audit": Act(audit_logs, is_audited),
}
