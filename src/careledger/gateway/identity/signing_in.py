"""Signing up, signing in, proving it once more, signing out.

A session begins under a new id, also after a step-up, and whatever the browser had before is over. Order of effects of
a sign-up: the proof is verified, the invitation used up, the account opened, the session begun. Who signs up by a new
passkey is vouched for until the next proof: what makes a passkey signs nothing with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator
from typing import Any, cast

from careledger.app.identity import (
    accounts,
    attempts,
    challenges,
    codes,
    invitations,
    leaving,
    passkeys,
    passwords,
    proving,
    sessions,
)
from careledger.app.identity.accounts import Person
from careledger.app.identity.attempts import Guess
from careledger.app.identity.sessions import Current
from careledger.domain.consents import Purpose
from careledger.domain.errors import ApiRefused, SignInRefused
from careledger.formats import identity as kept
from careledger.formats.sign_on import SamlProvider
from careledger.gateway import cookies
from careledger.gateway.api.times import is_day
from careledger.gateway.identity import bodies
from careledger.gateway.identity.operations import CREATED, Call, Operation, Said, Service, Steps, Who
from careledger.workflows.actors import Organisation

Again = Generator[Callable[[], object], Any, kept.Shown | None]
"""As ``Steps``, what is worked out beside the worker."""


def sign_up_options(service: Service, call: Call) -> Said:
    """What a new passkey is made by, or what an authenticator app is shown; raises Throttled."""
    organisation = service.organisation(call.body.organisation)
    account, by_password = secrets.token_bytes(16), call.body.by == "password"
    totp = codes.new_totp() if by_password else b""
    challenge = challenges.give(organisation.books, challenges.SIGN_UP, call.now, account, totp=totp)
    if by_password:
        return Said(bodies.Options(None, challenges.written(challenge), codes.totp_uri(totp, "new")))
    return Said(bodies.Options(passkeys.creation_options(service.site, account, "CareLedger", challenge)))


def sign_up(service: Service, call: Call) -> Steps:
    """A new account, pending or by an invitation a post's, and its first session; raises SignInRefused,
    ChallengeRefused, PasswordRefused, ActRefused for a passkey that is there, InvitationRefused, Throttled,
    ApiRefused."""
    body, organisation = call.body, service.organisation(call.body.organisation)
    if body.birth and not is_day(body.birth, call.now):
        raise ApiRefused(why="birth is no date that has come")
    claim = kept.Claim(body.name, body.national_id, body.birth, secrets.token_bytes(32))
    proof: kept.Passkey | kept.Password
    recovery: list[str] = []
    if body.credential is not None:
        proof = proving.first_passkey(organisation, service.site, body.credential, call.now)
        accounts.name_if_new(organisation, proof)  # before an invitation is used up for nothing
        account = proof.account
    else:
        words = service.name_of(organisation), body.name, body.national_id, body.birth
        hash = cast(str, (yield lambda: passwords.new_hash(body.password, words)))
        begun = take(organisation, body.challenge, challenges.SIGN_UP, call)
        account = begun.account
        proof, recovery = proving.new_password(begun.totp, hash, body.code, call.now)
    post = _invited(organisation, call) if body.invitation else _uninvited(organisation, call)
    who = accounts.open_account(organisation, account, claim, proof, call.now, post)
    said = bodies.SignedUp(who.account.name, who.account.state, recovery)
    return Said(said, CREATED, _begun(service, call, who, None, Purpose.TREAT.code), who)


def _invited(organisation: Organisation, call: Call) -> int:
    source = call.source.name(False)
    guess = Guess("invitation", b"", source, alone=True, rule=attempts.OF_RANDOM_CODES)
    attempts.count(organisation.books, guess, call.now)
    post = invitations.take(organisation, call.body.invitation, call.now)
    attempts.forget(organisation.books, guess)
    return post


def _uninvited(organisation: Organisation, call: Call) -> int:
    """No post; raises Throttled where too many wait for approval, or came from one place."""
    accounts.check_room(organisation)
    source = call.source.name(False)
    guess = Guess("sign-up", b"", source, alone=True, rule=attempts.OF_SIGN_UPS)
    attempts.count(organisation.books, guess, call.now)
    return 0


def sign_in_options(service: Service, call: Call) -> Said:
    """What a passkey is shown by, alike for every name; raises Throttled."""
    organisation = service.organisation(call.body.organisation)
    made = proving.passkey_options(organisation, service.site, call.body.name, call.now)
    return Said(bodies.Options(made))


def sign_in(service: Service, call: Call) -> Steps:
    """A session of whoever that proves; raises SignInRefused, ChallengeRefused, SecretSent, Throttled."""
    body, organisation = call.body, service.organisation(call.body.organisation)
    purpose = _purpose(body.purpose)
    if body.credential is not None:
        who, shown = proving.by_passkey(organisation, service.site, body.credential, call.now)
        return Said(None, 204, _begun(service, call, who, shown, purpose))
    given = body.name, body.password, body.code
    who = yield from proving.by_password(organisation, *given, call.source, call.now)
    return Said(None, 204, _begun(service, call, who, None, purpose))


def tried(service: Service, call: Call) -> Person | None:
    """As whom somebody wants to sign in, looked up alike whether or not it is there; raises PartyNotFound."""
    body, organisation = call.body, service.organisation(call.body.organisation)
    if body.credential is not None:
        return proving.claimed(organisation, body.credential)
    return accounts.by_name(organisation, body.name)


def step_up_options(service: Service, call: Call) -> Said:
    """What one of the account's passkeys is shown by once more."""
    current = call.current
    made = proving.step_up_options(current, service.site, call.now)
    return Said(bodies.Options(made))


def step_up(service: Service, call: Call) -> Steps:
    """The same session with a fresh proof, under a new id; raises SignInRefused, ChallengeRefused, Throttled."""
    body, current = call.body, call.current
    purpose = _purpose(body.purpose) if body.purpose else ""
    shown = yield from proved_again(service, call, body)
    secret, _ = sessions.renew(current, shown, call.now, purpose)
    service.desk.leases.end(current.digest)
    return Said(None, 204, (cookies.session_cookie(secret),))


def proved_again(service: Service, call: Call, said: bodies.Again) -> Again:
    """The passkey that whoever has the session showed once more, None where it was the password with a code; raises
    SignInRefused, ChallengeRefused, Throttled."""
    current, who = call.current, call.current.who
    if said.credential is not None:
        return proving.again_by_passkey(current, service.site, said.credential, call.now)
    given = who.account.name, said.password, said.code
    again = yield from proving.by_password(who.organisation, *given, call.source, call.now)
    if again.id != who.id:
        raise SignInRefused()
    return None


def sign_out(service: Service, call: Call) -> Said:
    """The session is over, and what it had open is dropped. Says where the browser is to go on to, if the session began
    at a provider at which its person is to sign out too."""
    over(service, [call.current])
    elsewhere = leaving.leave(call.current, call.now)
    if elsewhere is None:
        return Said(None, 204, (cookies.no_session(),))
    kind, id, state = elsewhere
    path = f"/sign-on/{'saml/' if kind is SamlProvider else ''}{id.hex()}/leave?state={state}"
    return Said(bodies.SignedOut(path), cookies=(cookies.no_session(),))


def over(service: Service, those: list[Current]) -> None:
    """These sessions of one account are over, and what they had open is dropped."""
    if those:
        sessions.end(those[0].who, [each.digest for each in those])
    for each in those:
        service.desk.leases.end(each.digest)


def take(organisation: Organisation, said: str, act: str, call: Call) -> kept.Challenge:
    """The challenge that a browser names where no passkey answers it; raises ChallengeRefused."""
    session = b"" if call.session is None or act == challenges.SIGN_UP else call.session.digest
    return challenges.take(organisation.books, challenges.read(said), act, call.now, session)


def _begun(
    service: Service, call: Call, who: Person, shown: kept.Shown | None, purpose: str
) -> tuple[str, ...]:
    """A session under a new id; the one that the browser had is over. The browser is known from now on."""
    if call.session is not None:
        over(service, [call.session])
    secret, _ = sessions.begin(who, shown, call.now, purpose, call.label)
    device = call.source.device or secrets.token_urlsafe(32)
    proving.remember(who, device, call.now)
    return cookies.session_cookie(secret), cookies.device_cookie(device)


def _purpose(code: str) -> str:
    if code not in Purpose.__members__:
        raise ApiRefused(why="a purpose that there is not")
    return code


OPERATIONS = (
    Operation("POST", "/sign-up/options", sign_up_options, bodies.WantsToSignUp, Who.ANYBODY),
    Operation("POST", "/sign-up", sign_up, bodies.SignUp, Who.ANYBODY, "signed-up"),
    Operation("POST", "/sign-in/options", sign_in_options, bodies.WantsOptions, Who.ANYBODY),
    Operation("POST", "/sign-in", sign_in, bodies.SignIn, Who.ANYBODY, "signed-in", tried),
    Operation("POST", "/step-up/options", step_up_options, bodies.Nothing, Who.SIGNED_IN),
    Operation("POST", "/step-up", step_up, bodies.Again, Who.SIGNED_IN, "stepped-up"),
    Operation("POST", "/sign-out", sign_out, bodies.Nothing, Who.SIGNED_IN, "signed-out"),
)
