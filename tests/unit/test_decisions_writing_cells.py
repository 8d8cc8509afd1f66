"""Every cell of both write charts, through grounds, consents, statuses, claiming and a used intake.

The expected answers come from the typed words and from the words below, not from the code's rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Consent, Grantee, GranteeKind, Window
from careledger.domain.decisions import decide
from careledger.domain.matrix import VERSIONS
from careledger.domain.parties import Role, Status
from careledger.domain.questions import Writing
from careledger.domain.reasons import Permitted, Refused
from careledger.domain.records import Ground, Post, Source
from decision_cases import (
    ALIAS,
    DAY,
    DEPOSITOR,
    NOW,
    REGISTRAR,
    STRANGER,
    appending,
    claimed,
    consent,
    depositor,
    scope,
    unclaimed,
    version,
    writing,
)
from matrix_words import CHARTS

# The row under test, the post that signs for it (None: nobody, or the patient), and all rows of that post.
WRITERS: dict[str, tuple[Post | None, set[str]]] = {
    "patient": (None, {"patient"}),
    "doctor": (depositor(Role.DOCTOR, at=(Role.CENTRE,)), {"doctor", "centre"}),
    "centre": (depositor(at=(Role.CENTRE,)), {"centre"}),
    "insurer": (depositor(at=(Role.INSURER,)), {"insurer"}),
    "hospital": (depositor(at=(Role.HOSPITAL,)), {"hospital"}),
    "operator": (depositor(Role.OPERATOR, at=(Role.HOSPITAL,)), {"operator"}),
    "public": (depositor(Role.PUBLIC, at=(Role.HOSPITAL,)), {"public"}),
    "relative": (depositor(Role.RELATIVE, at=(Role.HOSPITAL,)), {"relative"}),
    "ministry": (depositor(at=(Role.MINISTRY,)), {"ministry"}),
    "pharmacy": (depositor(at=(Role.PHARMACY,)), {"pharmacy"}),
    "nurse": (depositor(Role.NURSE, at=(Role.INSURER, Role.HOSPITAL)), {"nurse", "insurer", "hospital"}),
    "device": (depositor(Role.DEVICE, at=(Role.HOSPITAL,)), {"device"}),
    "researcher": (depositor(Role.RESEARCHER, at=(Role.HOSPITAL,)), {"researcher"}),
    "organisation, import": (None, {"organisation, import"}),
}
LIVE = "live"
# Counted by hand from the charts.
PERMITTED = {
    (1, "own"): 52,
    (1, "append"): 84,
    (1, "registrar"): 17,
    (1, "unasked"): 76,
    (2, "own"): 228,
    (2, "append"): 198,
    (2, "registrar"): 49,
    (2, "unasked"): 164,
}


def consents(category: Category) -> dict[str, Consent | None]:
    """Append consents of each kind for the depositor; the words are the test's own."""
    live = appending(Compartment(category))
    other = Category.HISTORY if category is not Category.HISTORY else Category.REPORT
    return {
        "none": None,
        LIVE: live,
        "not yet": replace(live, window=Window(NOW + 1, NOW + DAY)),
        "expired": replace(live, window=Window(NOW - DAY, NOW)),
        "revoked": replace(live, revoked=True),
        "other category": appending(Compartment(other)),
        "other grantee": replace(live, grantee=Grantee(GranteeKind.POST, STRANGER.number, DEPOSITOR)),
        "view only": replace(consent(scope(Compartment(category))), grantee=live.grantee),
    }


def expected(
    chart: int, row: str, column: str, ground: str, words: str, status: str, is_claimed: bool, home: bool
) -> bool:
    """The answer from words; where ``home``, the depositor is the registrar and its one intake is used."""
    verified = status == "VERIFIED" or (ground == "own" and WRITERS[row][0] is None)
    stands = {
        "own": is_claimed,
        "append": words == LIVE,
        "registrar": home and not is_claimed,
        "unasked": True,
    }
    if not verified or not stands[ground]:
        return False
    if row == "patient" and ground != "own":
        return False
    if row == "organisation, import" and ground == "unasked" and not home:
        return False
    for one in WRITERS[row][1]:
        cell = CHARTS[chart, "write"].get((one, column), "no")
        if cell == "once" and (not home or ground in ("own", "append")):
            return True
        if cell == "until the patient has claimed" and home and not is_claimed:
            return True
        if cell in ("yes", "only the kinds that the mapping names") or "bound" in cell or "copy" in cell:
            return True
    return False


def question(
    chart: int,
    row: str,
    category: Category,
    ground: Ground,
    shown: Consent | None,
    is_claimed: bool,
    home: bool,
) -> Writing:
    author = WRITERS[row][0]
    imported = row == "organisation, import"
    own = ground is Ground.OWN
    clerk = author or depositor(at=(Role.HOSPITAL,))
    registrar = DEPOSITOR if home else REGISTRAR
    return writing(
        version=version(
            Compartment(category),
            source=Source.IMPORTED if imported else Source.SIGNED,
            signed=not imported,
            ground=ground,
            author=author.party if author else None,
            depositor=None if own else DEPOSITOR,
        ),
        patient=replace(claimed() if is_claimed else unclaimed(), registrar=registrar),
        matrix=VERSIONS[chart],
        depositor=None if own else clerk,
        author=author,
        by_controller=own,
        consent=shown,
        intake_used=home,
        bound_to=ALIAS,
    )


def every_case() -> Iterator[tuple[tuple[int, str, str, str, str, str, bool, bool], Writing]]:
    for chart in VERSIONS:
        for row in WRITERS:
            for category in Category:
                kinds = consents(category)
                for ground in Ground:
                    for words in kinds if ground is Ground.APPEND else ["none"]:
                        for is_claimed in (True, False):
                            for home in (True, False):
                                asked = question(chart, row, category, ground, kinds[words], is_claimed, home)
                                for status in Status:
                                    case = (chart, row, category.code, ground.code, words, status.name)
                                    yield (*case, is_claimed, home), with_status(asked, status)


def with_status(asked: Writing, status: Status) -> Writing:
    """The same where whoever deposits and signs stands there."""
    parts = {name: getattr(asked, name) for name in ("depositor", "author")}
    return replace(asked, **{name: post and replace(post, status=status) for name, post in parts.items()})


def test_every_cell_on_every_ground_is_answered_as_the_words_say() -> None:
    permitted: Counter[tuple[int, str]] = Counter()
    reasons: Counter[str] = Counter()
    for case, asked in every_case():
        answer = decide(asked)
        assert isinstance(answer, Permitted) is expected(*case), case
        assert len(answer.explanation) > 60
        if isinstance(answer, Refused):
            assert answer.explanation.startswith(answer.reason.sentence)
            reasons[answer.reason.code] += 1
        else:
            assert answer.kept_apart is (case[3] == "unasked")
            permitted[case[0], case[3]] += 1
    assert permitted.total() + reasons.total() == 2 * 14 * 15 * 11 * 2 * 2 * 5
    assert permitted == PERMITTED
    assert set(reasons) == {
        "author-not-verified", "claimed", "consent-expired", "consent-not-yet", "consent-revoked",
        "depositor-not-verified", "held-by-registrar", "intake-used", "matrix-no", "no-consent", "not-registered-there",
        "not-signed", "not-the-registrar", "other-category", "other-grantee", "other-permission",
    }  # fmt: skip
