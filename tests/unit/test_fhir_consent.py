"""A FHIR Consent and the ledger's consents mean the same, or the path that cannot be carried is named."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.errors import CannotExpress
from careledger.domain.parties import PartyId
from careledger.domain.ready_made import READY_MADE, ReadyMade, ready_made
from careledger.fhir.consent.agreed import Agreed, NamedRecord
from careledger.fhir.consent.reading import agreements
from careledger.fhir.consent.writing import Stands, resource_of
from careledger.fhir.validation.check import examine
from consent_cases import (
    ALIAS,
    CENTRE,
    DOCTOR,
    GRANTEES,
    HOSPITAL,
    RECORD,
    RECORDS,
    RESTRICTED_RECORD,
    TEAM,
    actor,
    classes,
    coding,
    consent,
    instance,
    known,
    labels,
    name,
    party,
    permit,
    purposes,
)

REPORT, GENERAL = Compartment(Category.REPORT), Compartment(Category.GENERAL)
YEAR = Window(
    int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
)
VIEW = frozenset({Permission.VIEW})
TO_DOCTOR = Grantee(GranteeKind.POST, DOCTOR.number, HOSPITAL)


def agreed(*compartments: Compartment, purpose: Purpose = Purpose.TREAT, **narrowing: Any) -> Agreed:
    return Agreed(TO_DOCTOR, Scope(frozenset(compartments or {REPORT}), VIEW, **narrowing), purpose, YEAR)


def deny(**elements: Any) -> dict[str, Any]:
    return {"type": "deny", **elements}


def test_a_consent_names_grantee_categories_purpose_and_days_that_count_whole() -> None:
    assert agreements(consent(), known()) == (agreed(),)


def test_each_actor_and_each_purpose_is_a_consent_of_its_own() -> None:
    actors = [actor("Practitioner", DOCTOR), actor("CareTeam", TEAM), actor("Organization", CENTRE)]
    found = agreements(consent(permit(actor=actors, purpose=purposes("TREAT", "COC"))), known())
    kinds = Counter((each.grantee.kind, each.purpose) for each in found)
    assert kinds == {(kind, use): 1 for kind in GranteeKind for use in (Purpose.TREAT, Purpose.COC)}


def test_without_an_actor_the_organisations_it_is_given_to_are_meant() -> None:
    stated = consent(permit(actor=None), organization=[party("Organization", HOSPITAL)])
    (found,) = agreements(stated, known())
    assert found.grantee == Grantee(GranteeKind.ORGANISATION, HOSPITAL.number, HOSPITAL)


def test_actions_are_the_permissions_and_without_any_it_is_viewing() -> None:
    actions = [{"coding": [coding("consentaction", code)]} for code in ("access", "collect", "correct")]
    (found,) = agreements(consent(permit(action=actions)), known())
    assert found.scope.permissions == frozenset(Permission)


def test_a_single_record_is_named_by_itself_whatever_its_label() -> None:
    stated = permit(
        data=[instance(RECORD), instance(RESTRICTED_RECORD)], securityLabel=None, **{"class": None}
    )
    (found,) = agreements(consent(stated), known())
    assert found.scope == Scope(
        frozenset(RECORDS.values()), VIEW, handles=frozenset({RECORD, RESTRICTED_RECORD})
    )


def test_authors_and_whole_months_narrow() -> None:
    data = [{"meaning": "authoredby", "reference": party("Organization", CENTRE)}]
    stated = permit(data=data, dataPeriod={"start": "2024-02-01", "end": "2024-02-29"})
    (found,) = agreements(consent(stated), known())
    assert found.scope.authors == frozenset({CENTRE})
    assert (found.scope.from_month, found.scope.to_month) == ("2024-02", "2024-02")


def test_a_year_and_an_open_end_of_a_clinical_period_are_taken() -> None:
    (found,) = agreements(consent(permit(dataPeriod={"start": "2024"})), known())
    assert (found.scope.from_month, found.scope.to_month) == ("2024-01", None)
    (found,) = agreements(consent(permit(dataPeriod={"end": "2024"})), known())
    assert (found.scope.from_month, found.scope.to_month) == (None, "2024-12")


def test_a_moment_counts_to_its_second_in_its_own_zone() -> None:
    stated = permit(period={"start": "2026-01-01T01:00:00+01:00", "end": "2026-12-31T23:59:59Z"})
    assert agreements(consent(stated), known()) == (agreed(),)


# Exceptions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("denials", "left"),
    [
        ([deny(data=[instance(RECORD)])], [agreed(REPORT, GENERAL, exceptions=frozenset({RECORD}))]),
        ([deny(**{"class": classes(Category.GENERAL)})], [agreed(REPORT)]),
        ([deny(securityLabel=labels("R"))], [agreed(REPORT, GENERAL)]),
        ([deny(dataPeriod={"end": "2024-06"})], [agreed(REPORT, GENERAL, from_month="2024-07")]),
        (
            [deny(dataPeriod={"start": "2024-01", "end": "2024-12"})],
            [agreed(REPORT, GENERAL, to_month="2023-12"), agreed(REPORT, GENERAL, from_month="2025-01")],
        ),
        (
            [deny(dataPeriod={"end": "2023"}, **{"class": classes(Category.GENERAL)})],
            [agreed(REPORT), agreed(GENERAL, from_month="2024-01")],
        ),
        (
            [deny(dataPeriod={"end": "2023"}, data=[instance(RECORD)])],
            [
                agreed(REPORT, GENERAL, from_month="2024-01"),
                agreed(REPORT, GENERAL, to_month="2023-12", exceptions=frozenset({RECORD})),
            ],
        ),
        (
            [deny(**{"class": classes(Category.GENERAL)}), deny(data=[instance(RECORD)])],
            [agreed(REPORT, exceptions=frozenset({RECORD}))],
        ),
        ([deny(purpose=purposes("COC"))], [agreed(REPORT, GENERAL)]),
    ],
)
def test_an_exception_takes_away_what_it_names_and_nothing_else(
    denials: list[dict[str, Any]], left: list[Agreed]
) -> None:
    stated = permit(provision=denials, **{"class": classes(Category.REPORT, Category.GENERAL)})
    assert set(agreements(consent(stated), known())) == set(left)


def test_a_denied_purpose_goes_and_the_other_stays() -> None:
    stated = permit(purpose=purposes("TREAT", "COC"), provision=[deny(purpose=purposes("COC"))])
    assert agreements(consent(stated), known()) == (agreed(),)


def test_an_exception_that_permits_adds_to_what_its_parent_says() -> None:
    more = {"type": "permit", "securityLabel": labels("R"), "actor": [actor("CareTeam", TEAM)]}
    base, added = agreements(consent(permit(provision=[more])), known())
    assert base == agreed()
    assert added.grantee.kind is GranteeKind.TEAM
    assert added.scope.compartments == {Compartment(Category.REPORT, Sensitivity.RESTRICTED)}
    assert (added.purpose, added.window) == (Purpose.TREAT, YEAR)


# What the patient says beside the file -----------------------------------------------------------


def test_an_end_that_the_file_leaves_open_is_said_or_the_consent_is_refused() -> None:
    stated = consent(permit(period={"start": "2026-01-01"}))
    with pytest.raises(CannotExpress, match=r"Consent.provision.period.end"):
        agreements(stated, known())
    assert agreements(stated, known(until=YEAR.end)) == (agreed(),)


def test_an_end_that_the_file_states_is_not_moved() -> None:
    assert agreements(consent(), known(until=YEAR.end + 1)) == (agreed(),)


def test_restricted_records_are_meant_only_where_that_is_said() -> None:
    stated = consent(permit(securityLabel=None))
    with pytest.raises(CannotExpress, match=r"Consent.provision.securityLabel"):
        agreements(stated, known())
    both = agreements(stated, known(sensitivities=frozenset(Sensitivity)))
    assert both == (agreed(REPORT, Compartment(Category.REPORT, Sensitivity.RESTRICTED)),)


# Refusals ----------------------------------------------------------------------------------------

OTHER_ROLE = {**actor("Practitioner", DOCTOR), "role": {"coding": [coding("v3-ParticipationType", "CST")]}}
UNKNOWN_ACTOR = {**actor("Practitioner", DOCTOR), "reference": {"reference": "Practitioner/1"}}
AUTHOR = {"meaning": "authoredby", "reference": party("Organization", CENTRE)}


@pytest.mark.parametrize(
    ("provision", "path"),
    [
        (deny(purpose=purposes("TREAT")), "Consent.provision.type"),
        (deny(provision=[permit()]), "Consent.provision.type"),
        (permit(type="allow"), "Consent.provision.type"),
        (permit(purpose=None), "Consent.provision.purpose"),
        (permit(purpose=purposes("HMARKT")), "Consent.provision.purpose[0]"),
        (permit(purpose=purposes("TREAT", "BTG")), "Consent.provision.purpose"),
        (permit(purpose=[coding("urn:other", "TREAT")]), "Consent.provision.purpose[0]"),
        (permit(securityLabel=labels("N", "V")), "Consent.provision.securityLabel[1]"),
        (permit(securityLabel=[coding("v3-ActCode", "PSY")]), "Consent.provision.securityLabel[0]"),
        (permit(code=[{"text": "HIV"}]), "Consent.provision.code"),
        (
            permit(**{"class": [coding("http://hl7.org/fhir/resource-types", "Observation")]}),
            "Consent.provision.class[0]",
        ),
        (permit(actor=[UNKNOWN_ACTOR]), "Consent.provision.actor[0].reference"),
        (permit(actor=[OTHER_ROLE]), "Consent.provision.actor[0].role"),
        (permit(actor=[actor("Organization", DOCTOR)]), "Consent.provision.actor[0].reference"),
        (permit(actor=[actor("Group", TEAM)]), "Consent.provision.actor[0].reference"),
        (permit(actor=None), "Consent.provision.actor"),
        (permit(actor=[]), "Consent.provision.actor"),
        (
            permit(action=[{"coding": [coding("consentaction", "disclose")]}]),
            "Consent.provision.action[0]",
        ),
        (permit(period={"start": "2026-01-01T00:00:00.5Z", "end": "2027"}), "Consent.provision.period.start"),
        (permit(period={"start": "2026-13-01", "end": "2027"}), "Consent.provision.period.start"),
        (permit(period={"start": "2026", "end": "2025"}), "Consent.provision.period"),
        (permit(dataPeriod={"start": "2024-02-02"}), "Consent.provision.dataPeriod.start"),
        (permit(dataPeriod={"end": "2024-02-28"}), "Consent.provision.dataPeriod.end"),
        (permit(dataPeriod={"start": "2024-02-01T00:00:00Z"}), "Consent.provision.dataPeriod.start"),
        (permit(dataPeriod={}), "Consent.provision.dataPeriod"),
        (permit(dataPeriod={"start": "2025", "end": "2024"}), "Consent.provision.dataPeriod"),
        (
            permit(data=[{"meaning": "related", "reference": {"reference": "Encounter/1"}}]),
            "Consent.provision.data[0].meaning",
        ),
        (permit(data=[{**instance(RECORD), "meaning": "dependents"}]), "Consent.provision.data[0].meaning"),
        (permit(data=[instance(b"\x0c" * 32)]), "Consent.provision.data[0].reference"),
        (permit(data=[instance(RESTRICTED_RECORD)]), "Consent.provision.data"),
        (permit(data=[instance(RECORD), AUTHOR]), "Consent.provision.data"),
        (
            permit(data=[{"meaning": "authoredby", "reference": party("CareTeam", TEAM)}]),
            "Consent.provision.data[0].reference",
        ),
        (permit(extension=[{"url": "urn:x"}]), "Consent.provision.extension"),
        (permit(provision=[deny()]), "Consent.provision"),
        (permit(provision=[deny(data=[AUTHOR])]), "Consent.provision.provision[0].data"),
        (
            permit(provision=[deny(actor=[actor("Practitioner", DOCTOR)])]),
            "Consent.provision.provision[0].actor",
        ),
        (permit(provision=[deny(period={"start": "2026-06"})]), "Consent.provision.provision[0].period"),
        (
            permit(provision=[deny(action=[{"coding": [coding("consentaction", "access")]}])]),
            "Consent.provision.provision[0].action",
        ),
        (
            permit(provision=[deny(securityLabel=[coding("v3-ActCode", "ETHUD")])]),
            "Consent.provision.provision[0].securityLabel[0]",
        ),
        (
            permit(provision=[deny(data=[instance(RECORD)], provision=[permit()])]),
            "Consent.provision.provision[0].provision",
        ),
        (
            permit(provision=[deny(data=[instance(RECORD)]), permit(securityLabel=labels("R"))]),
            "Consent.provision.provision",
        ),
        ("nothing", "Consent.provision"),
    ],
)
def test_what_the_ledger_cannot_carry_is_refused_with_its_path(provision: Any, path: str) -> None:
    with pytest.raises(CannotExpress) as refusal:
        agreements(consent(provision), known())
    assert refusal.value.details["path"] == path


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"status": "draft"}, "Consent.status"),
        ({"resourceType": "Contract"}, "Consent.status"),
        ({"scope": {"coding": [coding("consentscope", "research")]}}, "Consent.scope"),
        ({"category": [{"coding": [coding("http://loinc.org", "42348-3")]}]}, "Consent.category"),
        ({"category": None}, "Consent.category"),
        ({"patient": {"reference": "Patient/1"}}, "Consent.patient"),
        ({"policy": [{"uri": "http://example.org/policy"}]}, "Consent.policy"),
        ({"policyRule": {"coding": [coding("v3-ActCode", "OPTIN")]}}, "Consent.policyRule"),
        ({"modifierExtension": [{"url": "urn:x"}]}, "Consent.modifierExtension"),
        ({"implicitRules": "urn:x"}, "Consent.implicitRules"),
        ({"_status": {"id": "x"}}, "Consent._status"),
        ({"policy": [{"uri": "urn:careledger:ready-made:nothing"}]}, "Consent.policy"),
        ({"policy": [{"uri": "urn:careledger:ready-made:this-visit"}]}, "Consent.policy"),
    ],
)
def test_a_consent_of_another_kind_or_under_other_rules_is_refused(
    changes: dict[str, Any], path: str
) -> None:
    with pytest.raises(CannotExpress) as refusal:
        agreements(consent(**changes), known())
    assert refusal.value.details["path"] == path


def test_a_consent_that_multiplies_into_thousands_is_refused() -> None:
    actors = [actor("Practitioner", DOCTOR), actor("CareTeam", TEAM), actor("Organization", CENTRE)]
    periods = [
        {"dataPeriod": {"start": f"{year:04d}", "end": f"{year:04d}"}} for year in range(1000, 2998, 2)
    ]
    stated = permit(actor=actors, provision=[deny(**each) for each in periods])
    with pytest.raises(CannotExpress, match="too many"):
        agreements(consent(stated), known())


def test_a_refusal_repeats_nothing_that_the_file_says() -> None:
    stated = permit(actor=[{**UNKNOWN_ACTOR, "reference": {"reference": "Practitioner/secret-clinic"}}])
    with pytest.raises(CannotExpress) as refusal:
        agreements(consent(stated), known())
    assert "secret-clinic" not in str(refusal.value)


# There and back ----------------------------------------------------------------------------------


def some(random: Random, items: Any) -> frozenset[Any]:
    found = sorted(items)
    return frozenset(random.sample(found, random.randint(1, len(found))))


def random_agreed(random: Random) -> Agreed:
    narrowing: dict[str, Any] = {}
    every = [Compartment(category, sensitivity) for category in Category for sensitivity in Sensitivity]
    compartments = some(random, every)
    match random.randrange(3):
        case 0:
            narrowing["handles"] = some(random, RECORDS)
            compartments = frozenset(RECORDS[each] for each in narrowing["handles"])
        case 1:
            narrowing["authors"] = some(random, [DOCTOR, CENTRE])
    if random.random() < 0.5:
        narrowing["from_month"], narrowing["to_month"] = random.choice(
            [("2020-01", "2021-06"), ("2020-02", None), (None, "2024-02")]
        )
    if random.random() < 0.3:
        narrowing["exceptions"] = some(random, RECORDS)
    scope = Scope(compartments, some(random, Permission), **narrowing)
    start = random.randrange(1, 2_000_000_000)
    purpose = random.choice([each for each in Purpose if each is not Purpose.BTG])
    return Agreed(
        random.choice(list(GRANTEES.values())),
        scope,
        purpose,
        Window(start, start + random.randrange(1, 10**8)),
    )


def test_a_consent_written_as_fhir_is_valid_and_reads_back_as_itself() -> None:
    random, outcomes = Random(50), Counter[str]()
    for _ in range(600):
        stated = random_agreed(random)
        written = resource_of(stated, ALIAS, name)
        assert examine(written).errors == ()
        assert agreements(written, known()) == (stated,)
        scope = stated.scope
        outcomes["single" if scope.handles else "authors" if scope.authors else "whole"] += 1
        outcomes["exceptions"] += bool(scope.exceptions)
        outcomes["months"] += bool(scope.from_month or scope.to_month)
        outcomes["denied classes"] += any(
            "class" in each for each in written["provision"].get("provision", ())
        )
    assert all(outcomes[each] > 100 for each in ("single", "authors", "whole", "exceptions", "months"))
    assert outcomes["denied classes"] > 100


@pytest.mark.parametrize("template", READY_MADE, ids=lambda each: each.name)
def test_a_ready_made_consent_reads_back_as_the_template_it_is(template: ReadyMade) -> None:
    handles = frozenset({RECORD}) if template.latest else None
    scope = Scope(template.compartments, template.permissions, handles=handles)
    stated = Agreed(TO_DOCTOR, scope, template.purpose, YEAR, template.name)
    named = NamedRecord(RECORD, min(template.compartments))
    assert agreements(resource_of(stated, ALIAS, name), known(record=lambda _: named)) == (stated,)


def test_a_template_with_one_category_more_is_no_template() -> None:
    visit = ready_made("this-visit")
    scope = Scope(visit.compartments | {Compartment(Category.INSURANCE)}, visit.permissions)
    written = resource_of(Agreed(TO_DOCTOR, scope, visit.purpose, YEAR, visit.name), ALIAS, name)
    with pytest.raises(CannotExpress, match="unchanged"):
        agreements(written, known())


def test_what_the_ledger_says_of_a_consent_stands_in_it_and_an_ended_one_is_not_given_again() -> None:
    written = resource_of(agreed(), ALIAS, name, Stands(b"\x07" * 32, "inactive", YEAR.start + 60))
    assert written["id"] == "07" * 32
    assert written["dateTime"] == "2026-01-01T00:01:00Z"
    assert examine(written).errors == ()
    with pytest.raises(CannotExpress, match=r"Consent.status"):
        agreements(written, known())


@pytest.mark.parametrize(
    ("stated", "path"),
    [
        (
            Agreed(
                Grantee(GranteeKind.ORGANISATION, HOSPITAL.number, HOSPITAL, frozenset({"cardiology"})),
                agreed().scope, Purpose.TREAT, YEAR,
            ),
            "Consent.provision.actor",
        ),
        (
            agreed(handles=frozenset({RECORD}), authors=frozenset({PartyId(43)})),
            "Consent.provision.data",
        ),
    ],
)  # fmt: skip
def test_a_consent_that_fhir_cannot_carry_is_not_written(stated: Agreed, path: str) -> None:
    with pytest.raises(CannotExpress) as refusal:
        resource_of(stated, ALIAS, name)
    assert refusal.value.details["path"] == path
