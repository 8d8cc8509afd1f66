"""Asking, granting in all its forms, refusing, revoking and sharing by commands; wrong words change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from careledger.app.unlocking import load
from careledger.app.world import open_world
from careledger.cli.actors import session
from careledger.cli.people import anyone
from careledger.cli.readers import read
from careledger.cli.records import compartments
from careledger.domain.errors import AccessRefused
from careledger.formats.digests import uint
from careledger.workflows.epochs import UNTOLD, own_statement
from careledger.workflows.grant import PREPARED, STANDS, given_consents, set_state
from stories.cli_world import PATIENT, careledger, explored, lived, told

__all__ = ["explored", "lived"]


def reads(folder: Path, post: str, *categories: str, purpose: str = "TREAT") -> set[str]:
    """The categories that a post reads of the patient now; the refusal's reason where it reads none."""
    from careledger.domain.consents import Purpose

    world = open_world(folder)
    try:
        known, wanted = (
            anyone(world, PATIENT),
            [each for each in compartments(categories) if not each.sensitivity],
        )
        found = read(world, session(world, post), known, wanted, Purpose.of(purpose))
        return {each.compartment.category.code for each in found.records}
    except AccessRefused as error:
        return {str(error.details["reason"])}
    finally:
        world.close()


def test_a_post_asks_and_the_patient_grants_less_than_was_asked(lived: Path) -> None:
    at = ("--data", lived)
    asked = told("consent", "request", PATIENT, "--as", "Dr Rahman", "--category", "report", "--category", "visit",
                 "--until", "7d", "--reason", "Second opinion", *at)  # fmt: skip
    assert (asked["reader"], asked["categories"]) == ("Dr Rahman, City", ["report", "visit"])
    [waiting] = told("consent", "requests", PATIENT, *at)["requests"]
    assert (waiting["request"], waiting["reason"], waiting["answer"]) == (
        asked["request"],
        "Second opinion",
        None,
    )
    assert reads(lived, "Dr Rahman", "report") == {"no-consent"}
    given = told("consent", "grant", PATIENT, "--request", asked["request"][:8], "--category", "report", *at)
    assert (given["grantee"], given["categories"], given["end"]) == (
        "Dr Rahman, City",
        ["report"],
        asked["end"],
    )
    assert told("consent", "requests", PATIENT, *at)["requests"] == []
    [answered] = told("consent", "requests", "--as", "City Hospital", *at)["requests"]
    assert answered["answer"] == "granted"
    assert reads(lived, "Dr Rahman", "report", "visit") == {"report"}
    over = told("consent", "revoke", PATIENT, "Dr Rah", *at)
    assert over["block"] > 0
    assert reads(lived, "Dr Rahman", "report") == {"consent-revoked"}
    states = {each["commitment"]: each["state"] for each in told("consent", "list", PATIENT, *at)["consents"]}
    assert states[given["commitment"]] == "revoked"


def test_a_refused_request_is_told_and_gives_nothing(lived: Path) -> None:
    at = ("--data", lived)
    asked = told("consent", "request", PATIENT, "--as", "Dr Chowdhury", "--category", "all", *at)
    refused = told("consent", "refuse", PATIENT, asked["request"][:8], *at)
    assert refused["answer"] == "refused"
    sent = {
        each["request"]: each["answer"]
        for each in told("consent", "requests", "--as", "Lakeside", *at)["requests"]
    }
    assert sent[asked["request"]] == "refused"
    again = careledger("consent", "refuse", PATIENT, asked["request"][:8], *at)
    assert (again.code, "no request begins so" in again.err) == (2, True)


def test_a_consent_is_narrowed_by_author_period_and_exception(lived: Path) -> None:
    at = ("--data", lived)
    report = next(each for each in told("show", PATIENT, "--category", "report", *at)["records"])
    narrowed = ("--author", "City Hospital", "--from-month", "2010-01", "--to-month", "2030-12", "--except",
                report["record"])  # fmt: skip
    given = told("consent", "grant", PATIENT, "--to", "Green Pharmacy", "--category", "report",
                 "--restricted", "diagnosis", *narrowed, "--until", "2030-12-31", *at)  # fmt: skip
    assert given["narrowed"] == ["by City Hospital", "from 2010-01 to 2030-12", "except 1"]
    assert given["categories"] == ["diagnosis (restricted)", "report"]
    assert given["end"] == "2031-01-01T00:00:00Z"


def test_a_team_is_granted_and_its_members_read(lived: Path) -> None:
    at = ("--data", lived)
    told("party", "team", "create", "Cardiology", "--as", "Lakeside Hospital", *at)
    given = told("consent", "grant", PATIENT, "--to", "Cardiology", "--category", "visit", *at)
    assert (given["grantee"], given["grantee_kind"], given["organisation"]) == (
        "Cardiology",
        "team",
        "Lakeside Hospital",
    )
    assert reads(lived, "Dr Chowdhury", "visit") == {"other-grantee"}
    told("party", "team", "join", "Cardiology", "--as", "Dr Chowdhury", *at)
    assert reads(lived, "Dr Chowdhury", "visit") == {"visit"}


def test_ready_made_consents_are_taken_unchanged(lived: Path) -> None:
    at = ("--data", lived)
    names = [each["name"] for each in told("consent", "ready-made")["ready_made"]]
    assert names == ["this-visit", "family-doctor", "pharmacy-now", "emergency-only"]
    visit = told("consent", "grant", PATIENT, "--to", "Delta Diagnostics", "--ready-made", "this-visit", *at)
    assert (visit["ready_made"], visit["may"], visit["window"][1] - visit["window"][0]) == (
        "this-visit", ["view", "append"], 86_400)  # fmt: skip
    assert not any("restricted" in category for category in visit["categories"])
    shown = told("consent", "grant", PATIENT, "--to", "Green Pharmacy", "--ready-made", "pharmacy-now", *at)
    assert (shown["single_records"], shown["purpose"], shown["categories"]) == (
        1,
        "DISPENSE",
        ["prescription"],
    )
    emergency = told("consent", "grant", PATIENT, "--to", "Dr Rahman", "--ready-made", "emergency-only", *at)
    assert emergency["purpose"] == "ETREAT"
    assert reads(lived, "Dr Rahman", "diagnosis", purpose="ETREAT") == {"diagnosis"}
    changed = careledger("consent", "grant", PATIENT, "--to", "Dr Rahman", "--ready-made", "this-visit", "--category",
                         "insurance", *at, width=300)  # fmt: skip
    assert (changed.code, "taken unchanged" in changed.err) == (2, True)
    unknown = careledger(
        "consent", "grant", PATIENT, "--to", "Dr Rahman", "--ready-made", "for-ever", *at, width=300
    )
    assert (unknown.code, "this-visit, family-doctor" in unknown.err) == (2, True)


def test_single_records_are_shown_and_nothing_else(lived: Path) -> None:
    at = ("--data", lived)
    reports = [each["record"] for each in told("show", PATIENT, "--category", "report", *at)["records"]]
    shared = told(
        "share",
        PATIENT,
        reports[0][:12],
        reports[1],
        "--to",
        "Dr Rahman",
        "--for",
        "COC",
        "--until",
        "2h",
        *at,
    )
    assert (shared["single_records"], shared["may"], shared["purpose"]) == (2, ["view"], "COC")
    world = open_world(lived)
    try:
        from careledger.domain.consents import Purpose

        known, doctor = anyone(world, PATIENT), session(world, "Dr Rahman")
        found = read(world, doctor, known, compartments(("report",)), Purpose.COC)
        assert {each.manifest.record_id.hex() for each in found.records} == set(reports[:2])
    finally:
        world.close()
    nothing = careledger("share", PATIENT, "ffffffffff", "--to", "Dr Rahman", *at)
    assert (nothing.code, "lists the records" in nothing.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("grant", PATIENT, "--to", "Dr Sen, Lakeside"), "name at least one, or all"),
        (("grant", PATIENT, "--category", "report"), "--to and what to grant, or --request alone"),
        (
            ("grant", PATIENT, "--to", "Nobody", "--category", "report"),
            "is not a party of this machine; there are",
        ),
        (("grant", PATIENT, "--to", "Dr Sen, Lakeside", "--category", "teeth"), "is none of history"),
        (
            ("grant", PATIENT, "--to", "Dr Sen, Lakeside", "--category", "report", "--may", "eat"),
            "view, append, amend",
        ),
        (
            ("grant", PATIENT, "--to", "Dr Sen, Lakeside", "--category", "report", "--for", "FUN"),
            "TREAT (treatment)",
        ),
        (
            ("grant", PATIENT, "--to", "Dr Sen, Lakeside", "--category", "report", "--until", "soon"),
            "a time from now",
        ),
        (
            ("grant", PATIENT, "--to", "Dr Sen, Lakeside", "--category", "report", "--until", "2020-01-01"),
            "over before",
        ),
        (
            ("grant", PATIENT, "--to", "Dr Sen, Lakeside", "--category", "report", "--from-month", "2020"),
            "is no month",
        ),
        (
            ("request", PATIENT, "--as", "Lakeside Hospital", "--category", "report"),
            "is not a post of this machine",
        ),
        (("revoke", PATIENT, "ffffffff"), "none stands for such a name or begins so"),
        (("requests",), "a PATIENT, or an organisation"),
    ],
    ids=str,
)
def test_wrong_words_are_told_the_right_ones_and_change_nothing(
    words: tuple[str, ...], says: str, lived: Path
) -> None:
    before = told("chain", "head", "--data", lived)["number"]
    done = careledger("consent", *words, "--data", lived, width=1000)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert told("chain", "head", "--data", lived)["number"] == before


def test_opening_a_patient_tends_what_was_left_open_first_and_says_what_still_waits(lived: Path) -> None:
    world = open_world(lived)
    mine = load(world, PATIENT)
    given = [each for each in given_consents(mine) if each.state == STANDS]
    set_state(mine, given[0], PREPARED)  # as a crash before the package leaves it
    away = own_statement(mine)[0].custodians[0]
    held = own_statement(mine)[1]
    mine.books.put(UNTOLD, [(mine.alias + uint(away), held.encode())])
    world.close()
    folder = lived / "custodians" / f"{away:016x}"
    hidden = folder.rename(lived / f"away-{away}")
    done = careledger("consent", "list", PATIENT, "--data", lived)
    hidden.rename(folder)
    assert done.code == 0
    assert "Still waits: 1 custodians to hear the newest statement." in done.err
    done = careledger("consent", "list", PATIENT, "--data", lived)
    assert "Still waits" not in done.err
    world = open_world(lived)
    try:
        assert [each.state for each in given_consents(load(world, PATIENT))].count(PREPARED) == 0
        assert not list(load(world, PATIENT).books.rows(UNTOLD))
    finally:
        world.close()
