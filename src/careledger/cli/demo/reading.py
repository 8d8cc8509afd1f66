"""Asking, granting, reading, refusing; one disclosure; an emergency; a revocation that re-keys."""

from __future__ import annotations

from careledger.cli.demo.founding import CITY, GREEN
from careledger.cli.demo.stage import PATIENT, Stage, clinical, record_rows
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.errors import CannotOpen
from careledger.domain.parties import PartyId
from careledger.domain.reasons import Rule
from careledger.domain.records import Ground
from careledger.fhir.export import resource_of
from careledger.fhir.summary import summary
from careledger.formats.scopes import scope_of
from careledger.sealing import versions as sealed
from careledger.sealing.epochs import Epoch
from careledger.sealing.keys import SealingKey
from careledger.workflows import accesses, break_glass, request_access
from careledger.workflows.asking import Access, session_access
from careledger.workflows.batches import Writer
from careledger.workflows.blocks import sealed_block
from careledger.workflows.disclose import disclose
from careledger.workflows.grant import Granted, grant
from careledger.workflows.lease import Lease, open_lease
from careledger.workflows.note import clinical_note
from careledger.workflows.received import Received, fetch_grants, live_grant
from careledger.workflows.retrieve import Record, Retrieved, newest, retrieve
from careledger.workflows.revoke import revoke as revoke_consent

DOCTOR = "Dr Chowdhury, Lakeside"
ASKED = (Category.DIAGNOSIS, Category.PRESCRIPTION, Category.REPORT, Category.MEASUREMENT)
DAY = 24 * 3600


def ask_and_grant(stage: Stage) -> None:
    """A doctor asks; the patient sees who asks for what and why, and grants it."""
    screen, network = stage.screen, stage.world.network
    screen.chapter("A doctor asks for access, and the patient grants it")
    now, session = stage.clock.now(), stage.session(DOCTOR)
    wanted = Scope(frozenset(clinical(*ASKED)), frozenset({Permission.VIEW}))
    request = request_access.request_access(
        network,
        session,
        stage.statement,
        wanted,
        Purpose.TREAT,
        Window(now, now + 30 * DAY),
        "Second opinion",
    )
    seen = request_access.read_requests(network, stage.holder)
    names = stage.world.keyring.labels()
    rows = [
        (
            names[each.reader],
            ", ".join(str(c) for c in sorted(scope_of(each.scope).compartments)),
            each.reason,
        )
        for each in seen
    ]
    screen.table("The patient's agent shows", ("who", "asks for", "why"), rows)
    doctor = stage.staff[DOCTOR]
    employer = PartyId(doctor.organisation.number)
    given = grant(
        network, stage.holder, Grantee(GranteeKind.POST, doctor.number, employer), scope_of(seen[0].scope),
        Purpose.TREAT, Window(now - 60, now + 30 * DAY),
    )  # fmt: skip
    request_access.answer(network, stage.holder, request.id, "granted")
    stage.kept["consent"] = given
    facts = network.ledger.fresh_head().consent(given.owner, given.commitment)
    stage.claim("the ledger holds the consent as one slot that names nobody", facts is not None)


def read_and_refuse(stage: Stage) -> None:
    """The doctor reads what was granted; everybody and everything else is refused with its reason."""
    screen, network = stage.screen, stage.world.network
    screen.chapter("Who may reads; who may not is refused")
    lease = _doctors_lease(stage)
    records = lease.records(network)
    rows = record_rows(newest(records))
    screen.table(
        f"{DOCTOR} reads {len(records)} records; the newest", ("date", "category", "what", "value"), rows[:8]
    )
    asked = set(clinical(*ASKED))
    stage.claim("the doctor reads records of three organisations, and of the granted categories only",
                {record.compartment for record in records} <= asked and _depositors(records) == 3)  # fmt: skip
    stage.claim("every record's own signatures and grounds hold at its anchoring block",
                not any(record.distrust for record in records))  # fmt: skip
    received = _received(stage, DOCTOR)
    stage.refusal(
        f"{DOCTOR}, asking for insurance",
        lambda: _read(stage, DOCTOR, received, Category.INSURANCE),
        "other-category",
    )
    stage.refusal(
        "Dr Sen, a colleague with the same grant in hand",
        lambda: _read(stage, "Dr Sen, Lakeside", received, Category.DIAGNOSIS),
        "other-grantee",
    )
    stage.refusal(
        f"{DOCTOR}, asking for restricted diagnoses",
        lambda: _read(stage, DOCTOR, received, Category.DIAGNOSIS, Sensitivity.RESTRICTED),
        "restricted-not-named",
    )
    stage.refusal(
        "Dr Rahman of City, without consent", lambda: _without(stage, "Dr Rahman, City"), "no-consent"
    )
    stage.refusal("the insurer's assessor", lambda: _without(stage, "medical assessor, Shapla"), "no-consent")
    stage.kept["lease"] = lease


def disclose_one(stage: Stage) -> None:
    """The pharmacy is shown the latest prescription, and nothing else."""
    screen, network = stage.screen, stage.world.network
    screen.chapter("The pharmacy is shown one prescription")
    prescriptions = clinical(Category.PRESCRIPTION)
    mine = retrieve(
        network,
        accesses.by_holder(network, stage.holder, stage.statement, prescriptions),
        stage.statement,
        prescriptions,
    )
    latest = max(mine.records, key=lambda record: record.manifest.clinical_date or "")
    green, now = stage.organisations[GREEN], stage.clock.now()
    disclose(
        network, stage.holder, Grantee(GranteeKind.ORGANISATION, green.number, PartyId(green.number)), [latest],
        Purpose.DISPENSE, Window(now - 60, now + DAY),
    )  # fmt: skip
    received = _received(stage, "pharmacist, Green", Purpose.DISPENSE)
    access = accesses.by_consent(stage.session("pharmacist, Green"), received)
    shown = retrieve(network, access, received.statement, handles=[latest.handle])
    what = summary(resource_of(shown.records[0].body))
    screen.says(f"  Green Pharmacy sees: {what.date} {what.what}")
    stage.claim("the pharmacy reads the one prescription shown", len(shown.records) == 1)
    other = next(record for record in mine.records if record.handle != latest.handle)
    stage.refusal(
        "the pharmacy, asking for an older prescription",
        lambda: retrieve(network, access, received.statement, handles=[other.handle]),
        "other-record",
    )


def break_the_glass(stage: Stage) -> None:
    """An emergency: a doctor and a second party, an entry on the ledger, an alarm, a review."""
    screen, network = stage.screen, stage.world.network
    screen.chapter("Emergency: the glass is broken, the patient alarmed, the act reviewed")
    opener = stage.staff["Dr Rahman, City"]
    session = stage.session("Dr Rahman, City")
    general = clinical(Category.GENERAL, Category.DIAGNOSIS, Category.PRESCRIPTION)
    emergency = break_glass.open_emergency(
        network, stage.staff["Dr Rahman, City"], stage.staff["Nurse Akter, City"], stage.alias, "unconscious"
    )
    access = break_glass.emergency_access(session, emergency)
    opened = retrieve(network, access, stage.statement, general)
    stage.claim(
        f"with a second party Dr Rahman reads {len(opened.records)} records, from escrow",
        len(opened.records) > 0,
    )
    stage.claim("restricted records stay closed: they were not asked for separately",
                all(record.compartment.sensitivity is Sensitivity.NORMAL for record in opened.records))  # fmt: skip
    stage.refusal(
        "the same doctor, reviewing the own emergency",
        lambda: break_glass.review(network, emergency.entry, True, opener.number, opener.key),
        "reviewer",
    )
    officer = stage.officers[1]
    break_glass.review(network, emergency.entry, True, officer.post, officer.key)
    facts = network.ledger.fresh_head().break_glass(emergency.entry)
    stage.claim("a ministry officer reviewed the entry", facts is not None and facts.reviewed)
    stage.clock.pass_time(2 * DAY)


def revoke(stage: Stage) -> None:
    """The consent ends at once: refused by custodians, and by new keys for what comes after."""
    screen, network = stage.screen, stage.world.network
    screen.chapter(f"{PATIENT} revokes the consent")
    given, received = stage.kept["consent"], _received(stage, DOCTOR)
    assert isinstance(given, Granted)
    before = accesses.by_consent(stage.session(DOCTOR), received)
    lease = _doctors_lease(stage)
    revoke_consent(network, stage.holder, given.owner)
    stage.refusal(
        f"{DOCTOR}, asking custodians",
        lambda: _read(stage, DOCTOR, received, Category.DIAGNOSIS),
        "consent-revoked",
    )
    stage.refusal(f"{DOCTOR}, looking into the open lease", lambda: lease.records(network), "consent-revoked")
    later = _new_note(stage)
    stage.claim("a record that City deposits now does not open with the doctor's old epoch keys",
                not _opens(stage, before, later))  # fmt: skip
    stage.tend()


def _received(stage: Stage, reader: str, purpose: Purpose = Purpose.TREAT) -> Received:
    """The grant that lets somebody view."""
    network, staff = stage.world.network, stage.staff[reader]
    fetch_grants(network, staff.organisation)
    return live_grant(network, staff, stage.alias, purpose.code)


def _doctors_lease(stage: Stage) -> Lease:
    received, session = _received(stage, DOCTOR), stage.session(DOCTOR)
    access = accesses.by_consent(session, received)
    return open_lease(stage.world.network, session, access, received.statement, clinical(*ASKED))


def _read(
    stage: Stage,
    reader: str,
    received: Received,
    category: Category,
    sensitivity: Sensitivity = Sensitivity.NORMAL,
) -> Retrieved:
    access = accesses.by_consent(stage.session(reader), received)
    return retrieve(stage.world.network, access, received.statement, [Compartment(category, sensitivity)])


def _without(stage: Stage, reader: str) -> Retrieved:
    access = session_access(stage.session(reader), Rule.CONSENT, Purpose.TREAT)
    return retrieve(stage.world.network, access, stage.statement, clinical(Category.DIAGNOSIS))


def _depositors(records: list[Record]) -> int:
    return len({record.manifest.depositor for record in records})


def _new_note(stage: Stage) -> bytes:
    """City's doctor signs a new diagnosis; returns its handle."""
    city, doctor = stage.organisations[CITY], stage.staff["Dr Rahman, City"]
    received = live_grant(stage.world.network, doctor, stage.alias, Purpose.TREAT.code, Permission.APPEND)
    certificate = received.package.certificate
    writer = Writer(city, Ground.APPEND, stage.session("Dr Rahman, City"), certificate=certificate)
    made = clinical_note(
        stage.world.network,
        writer,
        stage.statement,
        doctor,
        "Condition",
        "Seasonal allergic rhinitis",
        "2026-11-19",
    )
    stage.kept["note"] = next(iter(made.handles.values()))
    return next(iter(made.handles.values()))


def _opens(stage: Stage, old: Access, handle: bytes) -> bool:
    """Whether the former grantee's keys open a header that lies open in block storage."""
    network, asked = stage.world.network, clinical(Category.DIAGNOSIS)
    mine = retrieve(
        network,
        accesses.by_holder(network, stage.holder, stage.statement, asked),
        stage.statement,
        handles=[handle],
    )
    row = mine.records[0].found.row
    for (compartment, number), seed in old.seeds:
        for epoch in (number, row.epoch):
            try:
                place = Epoch(stage.alias, compartment, epoch)
                sealed.open_header(SealingKey(seed), place, sealed_block(network, row.header))
                return True
            except CannotOpen:
                continue
    return False
