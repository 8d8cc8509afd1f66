"""Builders for the values that decisions are made of; each gives a case that is permitted unless changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Consent, Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.matrix import VERSION_2
from careledger.domain.parties import ControllerKind, PartyId, Role, Status
from careledger.domain.questions import (
    Action,
    Agreement,
    BreakGlass,
    DeathDecision,
    GeneralUse,
    Lease,
    Reading,
    Writing,
)
from careledger.domain.reasons import Rule
from careledger.domain.records import Ground, Patient, Post, RecordVersion, Source

NOW = 1_700_000_000
DAY = 24 * 3600
ALIAS = b"\x01" * 32
STRANGE_ALIAS = b"\x02" * 32
HANDLE = b"\x0a" * 32
OTHER_HANDLE = b"\x0b" * 32

READER = PartyId(11)
EMPLOYER = PartyId(12)
STRANGER = PartyId(13)
REGISTRAR = PartyId(14)
AUTHOR = PartyId(15)
DEPOSITOR = PartyId(16)

DIAGNOSIS = Compartment(Category.DIAGNOSIS)
GENERAL = Compartment(Category.GENERAL)
RESTRICTED_DIAGNOSIS = Compartment(Category.DIAGNOSIS, Sensitivity.RESTRICTED)


def post(*roles: Role, at: tuple[Role, ...] = (Role.HOSPITAL,), **changes: Any) -> Post:
    """A verified post with these roles at a verified employer with those."""
    made = Post(READER, EMPLOYER, frozenset(roles), frozenset(at), Status.VERIFIED, Status.VERIFIED)
    return replace(made, **changes)


def itself(role: Role, **changes: Any) -> Post:
    """A verified party that acts for itself: a relative, an organisation's machine."""
    return replace(post(role, at=(role,)), party=EMPLOYER, **changes)


def claimed(kind: ControllerKind = ControllerKind.SELF, until: int | None = None) -> Patient:
    """A patient (or guardian) with keys of their own, registered at REGISTRAR."""
    return Patient(ALIAS, kind, REGISTRAR, until)


def unclaimed(registrar: PartyId = REGISTRAR) -> Patient:
    """A patient whose keys the registrar holds."""
    return Patient(ALIAS, ControllerKind.REGISTRAR, registrar)


def version(compartment: Compartment = DIAGNOSIS, **changes: Any) -> RecordVersion:
    """A signed version that another hospital deposited with the patient's consent."""
    made = RecordVersion(
        ALIAS,
        HANDLE,
        compartment,
        Source.SIGNED,
        Ground.APPEND,
        depositor=DEPOSITOR,
        author=AUTHOR,
        signed=True,
        clinical_month="2023-05",
    )
    return replace(made, **changes)


def scope(*compartments: Compartment, **changes: Any) -> Scope:
    """View on these compartments, not narrowed."""
    made = Scope(frozenset(compartments or {DIAGNOSIS}), frozenset({Permission.VIEW}))
    return replace(made, **changes)


def consent(scope: Scope, **changes: Any) -> Consent:
    """A live consent for treatment, for the reader's post, in which the patient named the categories."""
    made = Consent(
        ALIAS,
        Grantee(GranteeKind.POST, READER.number, EMPLOYER),
        scope,
        Purpose.TREAT,
        Window(NOW - DAY, NOW + DAY),
        given=True,
        revoked=False,
        by_present_controller=True,
    )
    return replace(made, **changes)


def reading(**changes: Any) -> Reading:
    """A doctor asks for the release of a diagnosis under a consent that covers it."""
    made = Reading(
        Action.RELEASE,
        Rule.CONSENT,
        version(),
        claimed(),
        Purpose.TREAT,
        VERSION_2,
        VERSION_2,
        NOW,
        reader=post(Role.DOCTOR),
        consent=consent(scope()),
    )
    return replace(made, **changes)


def own_reading(**changes: Any) -> Reading:
    """The patient asks for their own diagnosis."""
    made = reading(rule=Rule.OWN, reader=None, consent=None, by_controller=True, purpose=Purpose.PATRQT)
    return replace(made, **changes)


def general_reading(**changes: Any) -> Reading:
    """A doctor asks for allergies without consent, the first patient of the day."""
    made = reading(rule=Rule.GENERAL, version=version(GENERAL), consent=None, general=GeneralUse(0))
    return replace(made, **changes)


def agreed(**changes: Any) -> Agreement:
    """An officer of the reader's employer agreed to this request a minute ago."""
    officer = replace(post(Role.OPERATOR), party=STRANGER)
    made = Agreement(officer, READER, ALIAS, NOW - 60, NOW + 3540, this_request=True, another_key=True)
    return replace(made, **changes)


def entry(**changes: Any) -> BreakGlass:
    """The reader broke the glass an hour ago, with a second party, for four hours."""
    made = BreakGlass(ALIAS, READER, STRANGER, True, "unconscious", NOW - 3600, NOW + 3 * 3600)
    return replace(made, **changes)


def break_glass_reading(**changes: Any) -> Reading:
    """A doctor asks for a diagnosis in an emergency."""
    made = reading(rule=Rule.BREAK_GLASS, purpose=Purpose.ETREAT, consent=None, break_glass=entry())
    return replace(made, **changes)


def registrar_reading(**changes: Any) -> Reading:
    """The registrar's doctor asks for a diagnosis of an unclaimed patient."""
    made = reading(rule=Rule.REGISTRAR, patient=unclaimed(EMPLOYER), consent=None)
    return replace(made, **changes)


def lease(**changes: Any) -> Lease:
    """A lease of the reader's for the diagnoses, five minutes old."""
    made = Lease(ALIAS, READER, Purpose.TREAT, frozenset({DIAGNOSIS}), NOW - 300, NOW + 600)
    return replace(made, **changes)


def appending(*compartments: Compartment, **changes: Any) -> Consent:
    """A live consent that lets the depositor append these compartments."""
    wanted = scope(*compartments, permissions=frozenset({Permission.APPEND}))
    return consent(wanted, grantee=Grantee(GranteeKind.ORGANISATION, DEPOSITOR.number, DEPOSITOR), **changes)


def depositor(*roles: Role, at: tuple[Role, ...] = (Role.HOSPITAL,), **changes: Any) -> Post:
    """A verified post at the depositor, who is also the author of what it signs."""
    return replace(post(*roles, at=at), party=AUTHOR, employer=DEPOSITOR, **changes)


def writing(**changes: Any) -> Writing:
    """A doctor of the depositor signs a diagnosis under a consent to append."""
    doctor = depositor(Role.DOCTOR)
    made = Writing(
        version(), claimed(), VERSION_2, NOW, depositor=doctor, author=doctor, consent=appending(DIAGNOSIS)
    )
    return replace(made, **changes)


DIED = NOW - 10 * DAY
DEAD = Patient(ALIAS, ControllerKind.NOBODY, REGISTRAR, living=ControllerKind.SELF, died=DIED)
FIRST = post(Role.MINISTRY, at=(Role.MINISTRY,), party=PartyId(901), employer=PartyId(900))
SECOND = replace(FIRST, party=PartyId(902))


def decision(**changes: Any) -> DeathDecision:
    """Two officers decided a day ago that the reader reads diagnoses."""
    made = DeathDecision(
        ALIAS, (FIRST, SECOND), READER, frozenset({DIAGNOSIS}), NOW - DAY, NOW + DAY, two_keys=True
    )
    return replace(made, **changes)
