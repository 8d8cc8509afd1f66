"""IHE Privacy Consent on FHIR: what its examples permit and deny, asked of the ledger's own decision.

Each Consent is read as consents of the ledger, and those are asked about the examples' records and probes around them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Consent, Grantee, GranteeKind, Purpose
from careledger.domain.decisions import decide
from careledger.domain.errors import CannotExpress, MalformedBytes
from careledger.domain.parties import PartyId, Role, Status
from careledger.domain.reasons import Permitted
from careledger.domain.records import Post
from careledger.fhir.consent.agreed import Agreed, Known, NamedRecord
from careledger.fhir.consent.reading import agreements
from careledger.fhir.consent.writing import resource_of
from careledger.fhir.split import import_bundle
from consent_cases import coding, consent, labels, purposes
from decision_cases import ALIAS, claimed, post, reading, version

ORGANISATION, RESEARCHERS, ELSEWHERE = PartyId(50), PartyId(51), PartyId(52)
PRACTITIONER, WRITER, COLLEAGUE = PartyId(53), PartyId(54), PartyId(55)
NAMES = {
    "Organization/ex-organization": (GranteeKind.ORGANISATION, ORGANISATION, ORGANISATION, Role.HOSPITAL),
    "Organization/ex-org-researcher": (GranteeKind.ORGANISATION, RESEARCHERS, RESEARCHERS, Role.HOSPITAL),
    "Practitioner/ex-practitioner": (GranteeKind.POST, PRACTITIONER, ORGANISATION, Role.DOCTOR),
    "Practitioner/ex-author": (GranteeKind.POST, WRITER, ORGANISATION, Role.DOCTOR),
}
LABELLED = {"N": Sensitivity.NORMAL, "R": Sensitivity.RESTRICTED}
POLICIES = frozenset(
    f"http://example.org/policies/{name}PrivacyConsentPolicy.txt" for name in ("base", "research")
)
FOLLOWED = frozenset(
    {
        *POLICIES,
        "https://profiles.ihe.net/ITI/PCF/Policy-basic-normal",
        "https://profiles.ihe.net/ITI/PCF/Policy-break-glass-only",
    }
)


def second(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


LATER = second("2030-01-01")
BOTH = frozenset(Sensitivity)

# Consents, records, parties ----------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """A record as the decision sees it, and what the source's words select it by."""

    reference: str
    record: NamedRecord
    author: str
    date: str
    encounter: str
    codes: frozenset[str]


def probe(reference: str, compartment: Compartment, author: str, date: str, *codes: str) -> Probe:
    record = NamedRecord(sha256(reference.encode()).digest(), compartment)
    return Probe(reference, record, author, date, "", frozenset(codes))


def load(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "consents" / f"{name}.json").read_bytes())
    return found


def example_records(folder: Path) -> Iterator[Probe]:
    """The examples' Observations and Encounter, placed as an import places them."""
    for path in sorted((folder / "resources").glob("*.json")):
        resource = json.loads(path.read_bytes())
        if resource["resourceType"] not in ("Observation", "Encounter"):
            continue
        (placed,) = import_bundle(path.read_bytes(), path.name).versions
        reference = f"{resource['resourceType']}/{resource['id']}"
        codes = {each["code"] for each in resource["meta"]["security"]} - {"HTEST"}
        made = probe(
            reference,
            placed.compartment,
            resource.get("performer", [{"reference": ""}])[0]["reference"],
            resource.get("effectiveDateTime", "2022-06-13")[:10],
            *codes,
        )
        yield replace(made, encounter=resource.get("encounter", {"reference": ""})["reference"])


def around() -> Iterator[Probe]:
    """Records on both sides of every line that the examples draw."""
    for label, sensitivity in LABELLED.items():
        for category in (Category.REPORT, Category.DIAGNOSIS, Category.INSURANCE):
            for author in ("Practitioner/ex-practitioner", "Practitioner/ex-author"):
                for date in ("2021-12-31", "2022-01-01", "2022-12-31", "2023-01-01"):
                    at = Compartment(category, sensitivity)
                    name = f"Observation/{label}-{category.code}-{author[-6:]}-{date}"
                    yield probe(name, at, author, date, label)


@pytest.fixture(scope="module")
def folder(test_data: Path) -> Path:
    return test_data / "ihe-pcf"


@pytest.fixture(scope="module")
def probes(folder: Path) -> list[Probe]:
    return [*example_records(folder), *around()]


def party(name: str) -> Grantee | None:
    if name not in NAMES:
        return None
    kind, number, organisation, _ = NAMES[name]
    return Grantee(kind, number.number, organisation)


def agent(probes: Iterable[Probe], **said: Any) -> Known:
    """The agent of whoever the examples call the patient; it knows the parties and records by the examples' names."""
    records = {each.reference: each.record for each in probes}
    return Known(frozenset({"Patient/ex-patient", "Patient/ex-mother"}), party, records.get, **said)


def told(probes: Iterable[Probe]) -> Known:
    """The same agent, and its patient answered what the examples leave open."""
    return agent(probes, policies=FOLLOWED, until=LATER, sensitivities=BOTH)


def names(folder: Path) -> list[str]:
    found = sorted(path.stem for path in (folder / "consents").glob("*.json"))
    assert len(found) == 23
    return found


def refusals(folder: Path, known: Known) -> Counter[str]:
    """At which path each example is refused; "expressed" for those that are not."""
    found = Counter[str]()
    for name in names(folder):
        try:
            agreements(load(folder, name), known)
            found["expressed"] += 1
        except CannotExpress as refusal:
            found[str(refusal.details["path"])] += 1
    return found


# Which are expressed -----------------------------------------------------------------------------


NOT_CARRIED = {
    "Consent.provision.type": 2,  # basic-reject, dissent: nothing would keep a no
    "Consent.provision.purpose[0]": 1,  # purpose: FooBar
    "Consent.provision.data[0].meaning": 1,  # encounter: related
    "Consent.provision.provision[0].data[0].meaning": 1,  # not-encounter: related
    "Consent.provision.provision[0].data": 1,  # not-authoredby: no scope excludes an author
    "Consent.provision.provision[0].securityLabel[0]": 2,  # psy, psy-or-sdv: finer than restricted
    "Consent.provision.provision[0].actor[0].reference": 1,  # break-glass-restricted: a Group
}


def test_a_policy_that_nobody_looked_at_is_not_taken_for_one_that_adds_nothing(
    folder: Path, probes: list[Probe]
) -> None:
    assert refusals(folder, agent(probes, until=LATER, sensitivities=BOTH)) == {"Consent.policy": 23}


def test_as_they_stand_the_examples_leave_open_when_they_end_or_whether_restricted_records_are_meant(
    folder: Path, probes: list[Probe]
) -> None:
    silent = agent(probes, policies=FOLLOWED)
    open_ends = {"Consent.provision.securityLabel": 9, "Consent.provision.period.end": 5}
    assert refusals(folder, silent) == {**open_ends, **NOT_CARRIED}
    labelled = replace(silent, sensitivities=BOTH)
    dated = {"expressed": 1, "Consent.provision.period.end": 13}  # only expired-treat says when it ends
    assert refusals(folder, labelled) == {**dated, **NOT_CARRIED}


def test_fourteen_examples_are_expressed_and_nine_are_refused_for_what_no_scope_carries(
    folder: Path, probes: list[Probe]
) -> None:
    assert refusals(folder, told(probes)) == {"expressed": 14, **NOT_CARRIED}


def test_every_expressed_example_means_the_same_as_what_is_written_back(
    folder: Path, probes: list[Probe]
) -> None:
    texts = {number.number: number.text(role) for _, number, _, role in NAMES.values()}
    grantees = {f"urn:careledger:party|{texts[NAMES[name][1].number]}": party(name) for name in NAMES}
    records = {f"urn:careledger:version|{each.record.handle.hex()}": each.record for each in probes}
    again = Known(frozenset({f"urn:careledger:alias|{ALIAS.hex()}"}), grantees.get, records.get)
    came_back = 0
    for name in names(folder):
        made = expressed(folder, name, probes)
        back = [agreements(resource_of(each, ALIAS, lambda number: texts[number]), again) for each in made]
        assert back == [(each,) for each in made]
        came_back += len(made)
    assert came_back == 46


def expressed(folder: Path, name: str, probes: list[Probe]) -> tuple[Agreed, ...]:
    """What an example comes to; nothing where it is refused."""
    try:
        return agreements(load(folder, name), told(probes))
    except CannotExpress:
        return ()


# The stated outcomes -----------------------------------------------------------------------------


def member(number: PartyId, employer: PartyId = ORGANISATION, **changes: Any) -> Post:
    return replace(post(Role.DOCTOR), party=number, employer=employer, **changes)


AUTHORISED = [member(WRITER), member(COLLEAGUE)]
UNAUTHORISED = [member(COLLEAGUE, ELSEWHERE), member(COLLEAGUE, status=Status.SUSPENDED)]
CLASSES = {
    "any user otherwise authorised": AUTHORISED,
    "most users": AUTHORISED,
    "a user not authorised by the organisation": UNAUTHORISED,
    "Practitioner/ex-practitioner": [member(PRACTITIONER)],
}


def askers(asker: dict[str, Any]) -> list[Post]:
    if asker.get("is_not") == "Practitioner/ex-practitioner":
        return AUTHORISED
    return CLASSES[asker["is"]]


def asked_purposes(purpose: dict[str, Any]) -> list[str]:
    """Codes; of a class of purposes some members, among them one that the ledger has no word for."""
    if "narrower_than" in purpose:
        return ["CLINTRCH"]
    if "none_of" in purpose:
        return ["HRESCH", "PUBHLTH", "COC", "HMARKT"]
    return [each["code"] for each in purpose["any_of"]]


def moments(at: dict[str, str] | None) -> list[int]:
    if at is None:
        return [second("2024-01-01")]
    if "before_end_of" in at:
        return [second("2022-06-13"), second(at["before_end_of"]) + 86_399]
    return [second(at["after"]) + 86_400, second("2023-06-01")]


def selected(resource: dict[str, Any], probes: list[Probe]) -> list[Probe]:
    ((kind, value),) = resource.items()
    chosen: dict[str, Callable[[Probe], bool]] = {
        "all": lambda each: True,
        "authored_within": lambda each: value[0] <= each.date <= value[1],
        "authored_outside": lambda each: not value[0] <= each.date <= value[1],
        "author": lambda each: each.author == value,
        "author_not": lambda each: each.author != value,
        "reference": lambda each: each.reference == value,
        "reference_none_of": lambda each: each.reference not in value,
        "label": lambda each: each.codes == {value["code"]},
    }
    found = [each for each in probes if chosen[kind](each)]
    assert found
    return found


def permitted(made: Iterable[Agreed], asker: Post, code: str, each: Probe, at: int) -> bool:
    """Whether one of these consents opens that record, by the decision of custodians and readers."""
    try:
        purpose = Purpose.of(code)
    except MalformedBytes:
        return False  # no request can state it
    record = version(
        each.record.compartment,
        handle=each.record.handle,
        author=NAMES.get(each.author, NAMES["Practitioner/ex-author"])[1],
        author_employer=ORGANISATION,
        clinical_month=each.date[:7],
    )
    for agreed in made:
        given = Consent(ALIAS, agreed.grantee, agreed.scope, agreed.purpose, agreed.window, True, False, True)
        question = reading(
            version=record, patient=claimed(), purpose=purpose, at=at, reader=asker, consent=given
        )
        if isinstance(decide(question), Permitted):
            return True
    return False


def flows(residual: list[dict[str, Any]], each: Probe) -> bool:
    """What a residual says of a record (3.71.4.2.2.1.4): a permit overrides a forbid, and without one it flows."""
    applying = {rule["type"] for rule in residual if _applies(rule, each)}
    return "permit" in applying or "forbid" not in applying


def _applies(rule: dict[str, Any], each: Probe) -> bool:
    period, data, codes = (rule.get(name) for name in ("dataPeriod", "data", "securityLabel"))
    named = {("authoredby", each.author), ("instance", each.reference)}
    return (
        (period is None or period["start"] <= each.date <= period["end"])
        and (data is None or any((one["meaning"], one["reference"]) in named for one in data))
        and (codes is None or any(one["code"] in each.codes for one in codes))
    )


def answers(made: Iterable[Agreed], decision: dict[str, Any], probes: list[Probe]) -> list[bool]:
    """For each asker, purpose, moment and record of a decision: whether the ledger answers as the source states."""
    search = decision["level"] == "search"
    resource = {"all": True} if search else decision["resource"]
    found = []
    for asker in askers(decision["asker"]):
        for code in asked_purposes(decision["purpose"]):
            for at in moments(decision.get("at")):
                for each in selected(resource, probes):
                    expected = decision["outcome"] == "PERMIT" and flows(decision.get("residual", []), each)
                    if search:
                        if each.reference not in decision["resource"]["before"]:
                            continue
                        expected = each.reference in decision["resource"]["after"]
                    found.append(permitted(made, asker, code, each, at) is expected)
    assert found
    return found


def test_the_stated_outcomes_are_those_of_the_ledgers_own_decision(folder: Path, probes: list[Probe]) -> None:
    stated = json.loads((folder / "decisions.json").read_bytes())["decisions"]
    outcomes, asked = Counter[str](), 0
    for decision in stated:
        name = decision["consent"]
        if name is None:
            outcomes["no consent given"] += 1
            continue
        made = expressed(folder, name, probes)
        if not made:
            outcomes["consent refused"] += 1
            continue
        found = answers(made, decision, probes)
        asked += len(found)
        if "narrower_than" in decision["purpose"]:
            assert not any(found), "a narrower purpose is none that the ledger asks for"
            outcomes["narrower purpose not asked"] += 1
            continue
        assert all(found), decision["id"]
        outcomes[decision["outcome"]] += 1
    assert len(stated) == 99
    assert outcomes == {
        "PERMIT": 41,
        "DENY": 13,
        "consent refused": 37,
        "narrower purpose not asked": 1,
        "no consent given": 7,
    }
    assert asked > 5_000


def test_a_consent_that_shares_no_data_of_alcohol_use_is_refused_and_not_read_without_that_exception(
    probes: list[Probe],
) -> None:
    provision = {
        "type": "permit",
        "purpose": purposes("TREAT"),
        "securityLabel": labels("N", "R"),
        "provision": [{"type": "deny", "securityLabel": [coding("v3-ActCode", "ETHUD")]}],
    }
    stated = consent(
        provision,
        patient={"reference": "Patient/ex-patient"},
        organization=[{"reference": "Organization/ex-organization"}],
    )
    with pytest.raises(CannotExpress, match=r"Consent.provision.provision\[0\].securityLabel\[0\]"):
        agreements(stated, told(probes))


def test_where_nothing_is_given_no_consent_opens_anything(probes: list[Probe]) -> None:
    assert not any(
        permitted((), asker, purpose.code, each, second("2024-01-01"))
        for asker in AUTHORISED
        for purpose in Purpose
        for each in probes
    )
