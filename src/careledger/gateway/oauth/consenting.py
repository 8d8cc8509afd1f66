"""A person decides whether an app acts for them: asked is who is signed in as a post, and a code or a refusal answers.

Only people of the organisation that registered the app are asked, in a session for the app's purpose. Order of effects:
the code is durable and the launch used up, then the person is led back.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from careledger.app import app_codes, clients
from careledger.app.app_codes import DENIED
from careledger.app.clients import FHIR_USER, LAUNCH_ENCOUNTER, LAUNCH_PATIENT, OFFLINE, OPENID
from careledger.app.identity.sessions import Current
from careledger.app.scopes import Word
from careledger.app.tokens import Bearer
from careledger.domain.errors import FreshProofNeeded, OAuthRefused
from careledger.formats.apps import AppCode, AppGrant, AppLaunch
from careledger.gateway.desk import Desk
from careledger.gateway.oauth import answers, contexts
from careledger.gateway.oauth.requests import Sent, Wanted


@dataclass(frozen=True, repr=False)
class Asked:
    """What a person is asked: the app's request, what it wants, who is asked, for whom it was or may be launched."""

    sent: Sent
    wanted: Wanted
    who: Bearer
    current: Current
    launch: AppLaunch | None
    patients: dict[bytes, str]

    @property
    def patient(self) -> str:
        """What to call the patient for whom it was launched, empty for none."""
        return self.patients.get(self.launch.patient, "") if self.launch is not None else ""

    @property
    def others(self) -> tuple[str, ...]:
        """The scopes that are for no records, as far as there is what they ask for."""
        encounter = self.launch is not None and self.launch.encounter
        return tuple(each for each in self.wanted.scopes.others if each != LAUNCH_ENCOUNTER or encounter)


def asked(desk: Desk, sent: Sent, wanted: Wanted, who: Bearer, current: Current) -> Asked:
    """Raises OAuthRefused for whom the app is not, or a launch that is none; FreshProofNeeded for access that outlives
    the session, and for an app that wants the person to prove it anew."""
    found, now = sent.found, desk.world.clock.now()
    if clients.is_of_patients(found.client):
        raise OAuthRefused(error=DENIED, why="patients let this app in, each for themselves")
    if who.staff.organisation.number != found.employer.number:
        raise OAuthRefused(error=DENIED, why="the app was registered by another organisation")
    if who.purpose.code != found.client.purpose:
        raise OAuthRefused(
            error=DENIED, why=f"the app is for {found.client.purpose}, and you signed in for another purpose"
        )
    if OFFLINE in wanted.scopes.others or wanted.anew:
        current.require_fresh(now)
    if wanted.oldest is not None and now - current.row.proved > wanted.oldest:
        raise FreshProofNeeded()
    launch = app_codes.launched(found.employer.books, wanted.launch, now) if wanted.launch else None
    if wanted.launch and (
        launch is None or launch.post != who.staff.number or launch.client not in ("", found.id)
    ):
        raise OAuthRefused(error=DENIED, why=app_codes.LAUNCH_OVER)
    return Asked(sent, wanted, who, current, launch, _patients(desk, who, wanted, launch))


def allowed(desk: Desk, question: Asked, granted: Collection[str], chosen: str) -> str:
    """A code for what the person left of it; raises OAuthRefused where that is nothing, or no patient was chosen."""
    words = [each for each in question.wanted.scopes.words if each.said in granted]
    others = set(question.others)
    if not words and OPENID not in others:
        raise OAuthRefused(error=DENIED, why="nothing was allowed")
    patient, encounter = _context(question, chosen)
    if patient:
        others.add(LAUNCH_PATIENT)
    now, found, current = desk.world.clock.now(), question.sent.found, question.current
    grant = AppGrant(
        found.id, question.who.staff.number, found.client.purpose, scopes_said(words, others), patient, encounter,
        current.who.id, b"" if OFFLINE in others else current.row.unique, secrets.token_bytes(16), b"", now, b"",
    )  # fmt: skip
    said = question.sent.given
    nonce, challenge = said.get("nonce", ""), said["code_challenge"]
    code = AppCode(grant, question.sent.redirect, challenge, nonce, current.row.proved, b"")
    return app_codes.give(found.employer.books, code, now, question.wanted.launch)


def _patients(desk: Desk, who: Bearer, wanted: Wanted, launch: AppLaunch | None) -> dict[bytes, str]:
    """For whom it was launched, or may be; raises OAuthRefused."""
    if launch is None:
        return contexts.patients(desk, who) if wanted.needs_patient else {}
    name = contexts.called(desk, who, launch.patient)
    if name is None:
        raise OAuthRefused(error=DENIED, why="the patient is none of this post's any more")
    return {launch.patient: name}


def _context(question: Asked, chosen: str) -> tuple[bytes, str]:
    if question.launch is not None:
        return question.launch.patient, question.launch.encounter
    if not question.wanted.needs_patient:
        return b"", ""
    for alias in question.patients:
        if alias.hex() == chosen:
            return alias, ""
    raise OAuthRefused(error=DENIED, why="no patient was chosen")


def scopes_said(words: Collection[Word], others: Collection[str]) -> str:
    """What was granted; ``fhirUser`` says nothing without ``openid``. Raises OAuthRefused for more than is kept."""
    kept = [each for each in others if each != FHIR_USER or OPENID in others]
    known = [each for each in clients.LAUNCHED if each in kept]
    made = " ".join([*(each.said for each in words), *known])
    if len(made) > clients.MOST_SCOPES:
        raise OAuthRefused(error=answers.SCOPE, why="these are more scopes than are kept")
    return made
