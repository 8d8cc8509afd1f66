"""Every cell of both read charts, through consents, standing rules, statuses and claiming.

The expected answers come from the typed words and from the tables of words below, not from the code's rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Consent, Grantee, GranteeKind, Purpose, Window
from careledger.domain.decisions import decide
from careledger.domain.matrix import VERSIONS
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.domain.questions import GeneralUse, Reading
from careledger.domain.reasons import Decision, Permitted, Refused, Rule
from careledger.domain.records import Post
from decision_cases import (
    ALIAS,
    DAY,
    DEAD,
    EMPLOYER,
    NOW,
    OTHER_HANDLE,
    STRANGER,
    claimed,
    consent,
    decision,
    entry,
    itself,
    own_reading,
    post,
    reading,
    scope,
    unclaimed,
    version,
)
from matrix_words import CHARTS

# The row under test, the reader that stands for it, and all rows that this reader has.
READERS: dict[str, tuple[Post, set[str]]] = {
    "patient": (itself(Role.PATIENT), set()),
    "doctor": (post(Role.DOCTOR, at=(Role.CENTRE,)), {"doctor", "centre"}),
    "centre": (post(at=(Role.CENTRE,)), {"centre"}),
    "insurer": (post(at=(Role.INSURER,)), {"insurer"}),
    "hospital": (post(at=(Role.HOSPITAL,)), {"hospital"}),
    "operator": (post(Role.OPERATOR, at=(Role.HOSPITAL,)), {"operator"}),
    "public": (itself(Role.PUBLIC), {"public"}),
    "relative": (itself(Role.RELATIVE), {"relative"}),
    "ministry": (post(at=(Role.MINISTRY,)), {"ministry"}),
    "pharmacy": (post(at=(Role.PHARMACY,)), {"pharmacy"}),
    "nurse": (post(Role.NURSE, at=(Role.HOSPITAL,)), {"nurse", "hospital"}),
    "device": (post(Role.DEVICE, at=(Role.HOSPITAL,)), {"device"}),
    "researcher": (post(Role.RESEARCHER, at=(Role.HOSPITAL,)), {"researcher"}),
    "organisation, import": (post(Role.IMPORT, at=(Role.IMPORT,)), set()),
}
RELATION = {
    "doctor": Purpose.TREAT,
    "hospital": Purpose.TREAT,
    "centre": Purpose.TREAT,
    "insurer": Purpose.COVERAGE,
    "pharmacy": Purpose.DISPENSE,
}
# Counted by hand from the charts: cells opened × (claimed and unclaimed, or claimed only for payment and dispensing).
PERMITTED = {
    (1, "named"): 192,
    (1, "ready-made"): 57,
    (1, "shown"): 192,
    (2, "named"): 199,
    (2, "ready-made"): 82,
    (2, "shown"): 200,
}
REFUSED = {
    "reader-not-verified": 43_680,
    "no-consent": 1_680,
    "consent-not-yet": 840,
    "consent-expired": 840,
    "consent-revoked": 840,
    "consent-of-former-controller": 840,
    "other-grantee": 780,
    "other-purpose": 420,
    "referral-only": 780,
    "other-category": 780,
    "other-record": 780,
    "matrix-no": 648,
    "not-named": 252,
    "never-a-record": 432,
    "fields-only": 72,
    "aggregate-only": 12,
    "not-shown": 2,
}
STANDING_PERMITTED = {
    (1, "own"): 1_540,
    (2, "own"): 2_100,
    (1, "general"): 2,
    (2, "general"): 2,
    (1, "break-glass"): 14,
    (2, "break-glass"): 18,
    (1, "registrar"): 20,
    (2, "registrar"): 29,
    # by hand: doctor, centre, insurer, hospital, pharmacy, nurse 15 cells each, relative 14; in 2 a pharmacy 14; twice
    (1, "officers"): 208,
    (2, "officers"): 206,
}
LIVE = {"named", "ready-made", "shown"}

# word of the cell: (rows that a named consent opens, rows that a ready-made one opens), "all" or a list
OPENED_BY_CONSENT = {
    "yes": ("all", "all"),
    "only if involved": ("all", "doctor hospital centre insurer pharmacy"),
    "no": ("doctor hospital centre pharmacy insurer relative", ""),
    "with restriction": ("", ""),
    "only global data": ("", ""),
    "only what the patient shows": ("", ""),
}
CLINICAL = [
    "history",
    "prescription",
    "diagnosis",
    "report",
    "general",
    "image",
    "insurance",
    "visit",
    "measurement",
]
NEVER = ["operator", "public", "ministry", "researcher"]


def consents(row: str, category: Category) -> dict[str, Consent | None]:
    """A consent of each kind for the reader of that row; the words are the test's own."""
    compartment = Compartment(category)
    grantee = READERS[row][0]
    live = replace(
        consent(scope(compartment), purpose=RELATION.get(row, Purpose.TREAT)),
        grantee=Grantee(GranteeKind.POST, grantee.party.number, grantee.employer),
    )
    other = Category.HISTORY if category is not Category.HISTORY else Category.REPORT
    return {
        "none": None,
        "never given": replace(live, given=False),
        "named": live,
        "ready-made": replace(live, ready_made="this-visit"),
        "shown": replace(live, scope=scope(compartment, handles=frozenset({version().handle}))),
        "not yet": replace(live, window=Window(NOW + 1, NOW + DAY)),
        "expired": replace(live, window=Window(NOW - DAY, NOW)),
        "revoked": replace(live, revoked=True),
        "other purpose": replace(live, purpose=Purpose.HRESCH),
        "other category": replace(live, scope=scope(Compartment(other))),
        "other record": replace(live, scope=scope(compartment, handles=frozenset({OTHER_HANDLE}))),
        "other grantee": replace(live, grantee=Grantee(GranteeKind.POST, STRANGER.number, EMPLOYER)),
        "former controller": replace(live, by_present_controller=False),
    }


def expected_by_consent(
    chart: int, row: str, column: str, words: str, status: Status, is_claimed: bool
) -> bool:
    """The answer from words. A registrar consents for an unclaimed patient for care only."""
    if status.name != "VERIFIED" or words not in LIVE:
        return False
    if not is_claimed and RELATION.get(row, Purpose.TREAT) is not Purpose.TREAT:
        return False
    return any(
        opens(CHARTS[chart, "read"].get((one, column), "no"), one, column, words) for one in READERS[row][1]
    )


def opens(cell: str, row: str, column: str, words: str) -> bool:
    """Whether a live consent of that kind opens that cell for that row."""
    if row in NEVER and column in CLINICAL:
        return False
    if cell == "only what the patient shows":
        return words == "shown"
    rows = OPENED_BY_CONSENT[cell][1 if words == "ready-made" else 0]
    return rows == "all" or row in rows.split()


def every_consent_case() -> Iterator[tuple[int, str, Category, str, Status, bool, Decision]]:
    for chart, matrix in VERSIONS.items():
        for row, (reader, _) in READERS.items():
            for category in Category:
                record = version(Compartment(category))
                for words, shown in consents(row, category).items():
                    asked = reading(
                        version=record,
                        present=matrix,
                        anchored=matrix,
                        purpose=RELATION.get(row, Purpose.TREAT),
                        consent=shown,
                    )
                    for status in Status:
                        for patient in (claimed(), unclaimed()):
                            who = replace(reader, status=status)
                            answer = decide(replace(asked, reader=who, patient=patient))
                            yield chart, row, category, words, status, patient.claimed, answer


def check_explained(answer: Decision) -> None:
    """An explanation that a person can read, which for a refusal begins with the reason."""
    assert len(answer.explanation) > 60
    assert answer.explanation.endswith(".")
    if isinstance(answer, Refused):
        assert answer.explanation.startswith(answer.reason.sentence)


def test_every_cell_with_every_consent_is_answered_as_the_words_say() -> None:
    permitted: Counter[tuple[int, str]] = Counter()
    refused: Counter[str] = Counter()
    for chart, row, category, words, status, is_claimed, answer in every_consent_case():
        case = (chart, row, category.code, words, status.name, is_claimed)
        wanted = expected_by_consent(chart, row, category.code, words, status, is_claimed)
        assert isinstance(answer, Permitted) is wanted, case
        check_explained(answer)
        if isinstance(answer, Refused):
            refused[answer.reason.code] += 1
        else:
            permitted[chart, words] += 1
    assert permitted == PERMITTED
    assert refused == REFUSED
    assert permitted.total() + refused.total() == 2 * 14 * 15 * 13 * 5 * 2


@pytest.mark.parametrize("words", ["not yet", "expired", "revoked", "never given", "none"])
def test_the_reason_names_the_state_of_the_consent(words: str) -> None:
    answer = decide(
        reading(consent=consents("doctor", Category.DIAGNOSIS)[words], reader=READERS["doctor"][0])
    )
    assert isinstance(answer, Refused)
    sought = {"not yet": "not begun", "never given": "no consent", "none": "no consent"}.get(words, words)
    assert sought in answer.explanation


# Standing rules ----------------------------------------------------------------------------------

# column: may a doctor read it in an emergency / a registrar's doctor at a centre, from the words alone
GLASS_NEVER = {"insurance", "identity-doctor", "identity-insurer", "identity-centre", "identity-hospital",
               "identity-pharmacy"}  # fmt: skip


def expected_by_rule(
    chart: int, row: str, column: str, rule: str, restricted: bool, status: Status, is_claimed: bool
) -> bool:
    """The answer from words for who has no consent; the broken glass asked for no restricted compartment.

    Under ``officers`` the patient has died, unclaimed, and two officers decided on exactly this compartment.
    """
    cells = {one: CHARTS[chart, "read"].get((one, column), "no") for one in READERS[row][1]}
    if rule == "own":
        return is_claimed and CHARTS[chart, "read"].get(("patient", column), "no") != "no"
    if status.name == "VERIFIED" and rule == "officers":
        return not is_claimed and any(
            one not in NEVER
            and (one in OPENED_BY_CONSENT[cell][0].split() or OPENED_BY_CONSENT[cell][0] == "all")
            for one, cell in cells.items()
        )
    if status.name != "VERIFIED" or restricted:
        return False
    match rule:
        case "general":
            return row == "doctor" and column == "general"
        case "break-glass":
            return (
                row == "doctor"
                and column not in GLASS_NEVER
                and cells["doctor"] in ("yes", "only if involved")
            )
        case "registrar":
            caring = {"doctor", "hospital", "centre"}
            return not is_claimed and any(
                one not in NEVER and (cell == "yes" or (cell == "only if involved" and one in caring))
                for one, cell in cells.items()
            )
    return False


def standing(
    rule: Rule, row: str, record: Compartment, status: Status, is_claimed: bool, chart: int
) -> Reading:
    reader = replace(READERS[row][0], status=status)
    patient = claimed() if is_claimed else unclaimed(EMPLOYER)
    matrices = {"present": VERSIONS[chart], "anchored": VERSIONS[chart]}
    facts = {"version": version(record), "patient": patient, "rule": rule, "consent": None, **matrices}
    if rule is Rule.OWN:
        return own_reading(**facts)
    if rule is Rule.OFFICERS:
        decided = decision(reader=reader.party, compartments=frozenset({record}))
        dead = patient if is_claimed else replace(DEAD, living=ControllerKind.REGISTRAR)
        asked = {**facts, "patient": dead, "decision": decided}
        return reading(reader=reader, purpose=Purpose.AFTERDEATH, **asked)
    glass = entry(opener=reader.party)
    purpose = Purpose.ETREAT if rule is Rule.BREAK_GLASS else Purpose.TREAT
    return reading(reader=reader, purpose=purpose, general=GeneralUse(0), break_glass=glass, **facts)


def test_every_cell_under_every_rule_without_consent_is_answered_as_the_words_say() -> None:
    permitted: Counter[tuple[int, str]] = Counter()
    cases = 0
    for chart in VERSIONS:
        for row in READERS:
            for category in Category:
                for sensitivity in Sensitivity:
                    for rule in set(Rule) - {Rule.CONSENT}:
                        for status in Status:
                            for is_claimed in (True, False):
                                record = Compartment(category, sensitivity)
                                answer = decide(standing(rule, row, record, status, is_claimed, chart))
                                wanted = expected_by_rule(
                                    chart,
                                    row,
                                    category.code,
                                    rule.code,
                                    bool(sensitivity),
                                    status,
                                    is_claimed,
                                )
                                assert isinstance(answer, Permitted) is wanted, (
                                    chart,
                                    row,
                                    record,
                                    rule,
                                    status,
                                )
                                check_explained(answer)
                                if wanted:
                                    permitted[chart, rule.code] += 1
                                cases += 1
    assert cases == 2 * 14 * 15 * 2 * 5 * 5 * 2
    assert permitted == STANDING_PERMITTED


def test_no_row_but_the_patients_is_let_in_without_consent_or_rule() -> None:
    answers = [
        decide(reading(reader=reader, version=version(Compartment(category), alias=ALIAS), consent=None))
        for reader, _ in READERS.values()
        for category in Category
    ]
    assert [type(answer) for answer in answers] == [Refused] * 14 * 15
