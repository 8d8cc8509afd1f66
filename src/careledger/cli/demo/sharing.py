"""The story's patient is registered, claims the record, and three organisations deposit what each knows."""

from __future__ import annotations

from careledger.cli.demo.founding import CITY, DELTA, LAKESIDE
from careledger.cli.demo.stage import EVERYTHING, PATIENT, STORY, Stage
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.parties import ControllerKind, PartyId
from careledger.domain.records import Ground
from careledger.fhir.sample import sample_file
from careledger.fhir.spread import Place, spread
from careledger.sealing.phrase import Phrase
from careledger.workflows import register
from careledger.workflows.batches import Writer
from careledger.workflows.claim import claim
from careledger.workflows.grant import grant
from careledger.workflows.identity_rows import Identity
from careledger.workflows.import_file import import_file
from careledger.workflows.received import fetch_grants, live_grant

DESKS = {CITY: "records desk, City", LAKESIDE: "records desk, Lakeside", DELTA: "records desk, Delta"}
SYSTEM = "urn:oid:2.999.1"
NATIONAL_ID = "1979 0227 4410"
YEAR = 365 * 24 * 3600


def register_and_claim(stage: Stage) -> None:
    """Registered at a hospital, which holds the keys; then the patient's own agent takes them over."""
    screen, world, network = stage.screen, stage.world, stage.world.network
    screen.chapter(f"{PATIENT} is registered and claims the record")
    city = stage.organisations[CITY]
    identity = Identity(bytes(32), bytes(16), PATIENT, PATIENT, NATIONAL_ID, "1979-02-27", bytes(32))
    old = register.patient(network, city, identity)
    stage.alias = old.alias
    facts = network.ledger.fresh_head().alias(stage.alias)
    assert facts is not None
    stage.claim(
        f"until claimed the registrar, {CITY}, controls the alias", facts.kind is ControllerKind.REGISTRAR
    )
    stage.phrase = Phrase.random()
    books = world.keyring.new_patient(PATIENT, stage.alias, stage.phrase)
    claim(network, city, stage.alias, stage.phrase, books)
    facts = network.ledger.fresh_head().alias(stage.alias)
    assert facts is not None
    screen.says("  The recovery phrase of 24 words is shown to the patient once; every key comes from it.")
    stage.claim("from this block the patient's own key controls it", facts.kind is ControllerKind.SELF)
    screen.says("  On the ledger the patient is a random alias: no name, no number, no birth date.")
    screen.says(
        "  The registration, another random number, is entered some time within a week, so that nothing joins them."
    )
    labels = world.keyring.labels()
    screen.says("  Shares are kept by: " + ", ".join(labels[number] for number in stage.statement.custodians))


def deposit_at_three(stage: Stage) -> None:
    """One real bundle, its encounters spread over three organisations by a script, as the screen says."""
    screen, network = stage.screen, stage.world.network
    screen.chapter("Three organisations deposit")
    screen.says(
        "  A script spreads one synthetic patient's real encounters over three organisations of the story."
    )
    places = [Place(label, SYSTEM, str(number)) for number, label in enumerate(DESKS, start=1)]
    parts = spread(sample_file(STORY), STORY, places)
    total = 0
    for place, part in zip(places, parts, strict=True):
        writer = _appender(stage, place.name)
        home = (place.system, place.value)
        imported = import_file(network, writer, stage.statement, part, f"{place.name}.json", home=home)
        total += len(imported.deposited.handles)
        screen.permitted(
            f"{place.name} deposited {len(imported.deposited.handles)} records, anchored under root "
            f"{imported.deposited.root.hex()[:16]}…"
        )
    stage.tend()
    stage.claim(f"all {total} records stand under three anchored roots and nowhere in the clear", total > 300)
    stage.counts["deposited"] = total


def _appender(stage: Stage, label: str) -> Writer:
    """An organisation that the patient lets append: checked in at the desk, for a year."""
    network, organisation = stage.world.network, stage.organisations[label]
    now = stage.clock.now()
    grant(
        network,
        stage.holder,
        Grantee(GranteeKind.ORGANISATION, organisation.number, PartyId(organisation.number)),
        Scope(frozenset(EVERYTHING), frozenset({Permission.APPEND})),
        Purpose.TREAT,
        Window(now - 60, now + YEAR),
        ready_made="check-in",
    )
    fetch_grants(network, organisation)
    received = live_grant(
        network, stage.staff[DESKS[label]], stage.alias, Purpose.TREAT.code, Permission.APPEND
    )
    certificate = received.package.certificate
    return Writer(organisation, Ground.APPEND, stage.session(DESKS[label]), certificate=certificate)
