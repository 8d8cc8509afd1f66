"""How far a consent or an emergency has come, and which events lead there: plain functions of what the ledger says."""

from __future__ import annotations

from enum import IntEnum

from careledger.domain.facts import BreakGlassFacts, ConsentFacts


class ConsentStage(IntEnum):
    """Where a consent stands for who holds it; the last two are for good."""

    UNKNOWN = 0
    GIVEN = 1
    ENDED = 2
    EXPIRED = 3
    REVOKED = 4


class EmergencyStage(IntEnum):
    """Where an emergency stands; the last is for good."""

    UNKNOWN = 0
    OPENED = 1
    DUE = 2
    REVIEWED = 3


OVER = 3
"""From this stage on nothing more comes, of either."""
GIVEN, ENDED, EXPIRED, REVOKED = "consent-given", "consent-ended", "consent-expired", "consent-revoked"
OPENED, REVIEW_DUE, REVIEWED = "emergency-opened", "emergency-review-due", "emergency-reviewed"
Told = list[tuple[str, int]]
"""Kinds of events with their times in unix seconds, in order."""


def consent_stage(facts: ConsentFacts | None, counts: bool, now: int) -> ConsentStage:
    """Where a consent stands; ``counts``: the present controller signed it, and the person lives unless it is for
    afterwards."""
    if facts is None or not (facts.given_at or facts.revoked_at):
        return ConsentStage.UNKNOWN
    if facts.revoked_at:
        return ConsentStage.REVOKED
    if facts.end <= now:
        return ConsentStage.EXPIRED
    return ConsentStage.GIVEN if counts else ConsentStage.ENDED


def of_consent(before: ConsentStage, after: ConsentStage, facts: ConsentFacts, now: int) -> Told:
    """What is to be told of a consent that has come from one stage to another; one that ended may be given again."""
    if after is before:
        return []
    told: Told = []
    if before is ConsentStage.UNKNOWN and facts.given_at:
        told.append((GIVEN, facts.given_at))
    elif after is ConsentStage.GIVEN:
        told.append((GIVEN, now))
    ends = {
        ConsentStage.ENDED: (ENDED, now),
        ConsentStage.EXPIRED: (EXPIRED, facts.end),
        ConsentStage.REVOKED: (REVOKED, facts.revoked_at),
    }
    return [*told, ends[after]] if after in ends else told


def emergency_stage(facts: BreakGlassFacts | None, now: int) -> EmergencyStage:
    """Where an emergency stands: its review is due once it is over."""
    if facts is None:
        return EmergencyStage.UNKNOWN
    if facts.reviewed:
        return EmergencyStage.REVIEWED
    return EmergencyStage.DUE if facts.until <= now else EmergencyStage.OPENED


def of_emergency(before: EmergencyStage, after: EmergencyStage, facts: BreakGlassFacts, now: int) -> Told:
    """What is to be told of an emergency that has come from one stage to a later one."""
    told: Told = []
    if before < EmergencyStage.OPENED <= after:
        told.append((OPENED, facts.opened_at))
    if before < EmergencyStage.DUE is after:
        told.append((REVIEW_DUE, facts.until))
    if before < EmergencyStage.REVIEWED is after:
        told.append((REVIEWED, now))
    return told
