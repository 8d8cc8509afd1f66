"""How somebody proves who they are: by a passkey, or by a password with a code; the same path for whoever is nobody.

Order of effects. Passkey: the challenge is dropped, the answer verified, the counter kept. Password: the try is
counted, the password compared in another thread, the code used up, the count forgotten. So nothing that was shown
counts again, whatever breaks off between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, replace

from careledger.app.identity import accounts, attempts, challenges, codes, passkeys, passwords
from careledger.app.identity.accounts import Person
from careledger.app.identity.attempts import Guess
from careledger.app.identity.passkeys import Credential, Options, Site
from careledger.app.identity.sessions import Current
from careledger.domain.errors import ChallengeRefused, PartyNotFound, SignInRefused
from careledger.formats.digests import digest
from careledger.formats.identity import Challenge, KnownDevice, Passkey, Password, Shown
from careledger.formats.sessions import MOST_SESSION
from careledger.workflows.actors import Organisation

DEVICE = "known-device"
DAY = 24 * 3600
DEVICE_FOR = 180 * DAY
"""Seconds that a browser stays known after a sign-in."""
Beside = Generator[Callable[[], object], object, Person]
"""Yields what another thread is to work out, and is sent the result."""


@dataclass(frozen=True, repr=False)
class Source:
    """Where a request comes from: the address, and the cookie of a browser that was here before, empty for none."""

    address: str
    device: str = ""

    def name(self, known: bool) -> bytes:
        """What stands for it where tries are counted."""
        return hashlib.sha256((self.device if known else self.address).encode()).digest()


# By a passkey -----------------------------------------------------------------------------------


def passkey_options(organisation: Organisation, site: Site, name: str, now: int) -> Options:
    """What a browser signs in by; with a ``name`` for authenticators that find none themselves, which is answered
    alike whether or not it is there. Raises Throttled."""
    allowed: list[bytes] = []
    if name:
        who = accounts.by_name(organisation, name)
        made_up = passkeys.decoy(accounts.secret_of(organisation), name.strip().casefold())
        allowed = [each.credential for each in accounts.passkeys(who)] or [made_up]
    until = now + MOST_SESSION
    challenge = challenges.give_bound(organisation.books, challenges.SIGN_IN, now, site.deployment, until)
    return passkeys.request_options(site, challenge, allowed)


def by_passkey(
    organisation: Organisation, site: Site, credential: Credential, now: int
) -> tuple[Person, Shown]:
    """Who answered a challenge to sign in, and by what; raises SignInRefused, ChallengeRefused, SecretSent."""
    challenge = passkeys.challenge_of(credential)
    kept = challenges.take(organisation.books, challenge, challenges.SIGN_IN, now)
    return _proved(organisation, site, credential, challenge, kept, now)


def step_up_options(current: Current, site: Site, now: int) -> Options:
    """What the browser of a session proves one of its account's passkeys by once more; raises Throttled."""
    who, until = current.who, current.row.until
    challenge = challenges.give_bound(
        who.organisation.books, challenges.STEP_UP, now, site.deployment, until, who.id, current.digest
    )
    return passkeys.request_options(site, challenge, [each.credential for each in accounts.passkeys(who)])


def again_by_passkey(current: Current, site: Site, credential: Credential, now: int) -> Shown:
    """What was shown; raises SignInRefused, also for another account's passkey, ChallengeRefused, SecretSent."""
    who, challenge = current.who, passkeys.challenge_of(credential)
    kept = challenges.take(who.organisation.books, challenge, challenges.STEP_UP, now, current.digest)
    found, shown = _proved(who.organisation, site, credential, challenge, kept, now)
    if found.id != who.id:
        raise SignInRefused()
    return shown


def claimed(organisation: Organisation, credential: Credential) -> Person:
    """Whose passkey an answer says that it is by, nobody where it is nobody's; proves nothing."""
    with suppress(SignInRefused):
        key = accounts.passkey(organisation, passkeys.named(credential))
        if key is not None:
            return accounts.person(organisation, key.account)
    return accounts.nobody(organisation)


def _proved(
    organisation: Organisation,
    site: Site,
    credential: Credential,
    challenge: bytes,
    kept: Challenge,
    now: int,
) -> tuple[Person, Shown]:
    if kept.bound is None:
        raise ChallengeRefused()
    named = passkeys.named(credential)
    found = accounts.passkey(organisation, named)
    key = found or Passkey(accounts.NOBODY, named, passkeys.nobodys_key(), 0, now, now)
    count = passkeys.count_proved(site, credential, challenge, key)
    if found is None:
        raise SignInRefused()
    shown = passkeys.shown(site, credential, key, kept.bound)
    accounts.used(organisation, key, count, now)
    return _somebody(organisation, key.account), shown


def _somebody(organisation: Organisation, id: bytes) -> Person:
    """The account as it is now; raises SignInRefused for one that was suspended or dropped meanwhile."""
    with suppress(PartyNotFound):
        who = accounts.person(organisation, id)
        if who.is_somebody:
            return who
    raise SignInRefused()


# By a password with a code ----------------------------------------------------------------------


def by_password(
    organisation: Organisation, name: str, password: str, code: str, source: Source, now: int
) -> Beside:
    """Who has that name, password and code, an authenticator's or a recovery code; raises SignInRefused, Throttled."""
    who = accounts.by_name(organisation, name)
    known = is_known(who, source, now)
    guess = Guess("password", name.strip().casefold().encode(), source.name(known), known)
    attempts.count(organisation.books, guess, now)
    nobody = accounts.nobody(organisation)
    kept = accounts.password(who) or accounts.password(nobody)
    if kept is None:
        raise SignInRefused()
    right = yield lambda: passwords.is_password(kept.hash, password)
    left = _without(kept, code, now)
    with organisation.books.alone():
        who = _somebody(organisation, who.id)
        if not right or left is None or accounts.password(who) != kept:
            raise SignInRefused()
        accounts.set_password(who, left)
    attempts.forget(organisation.books, guess)
    return who


def _without(kept: Password, code: str, now: int) -> Password | None:
    """What is left of the codes when this one was used; None if it is none."""
    step = codes.totp_step(kept.totp, code.strip(), kept.step, now)
    digest = codes.code_digest(code)
    if step is not None:
        return replace(kept, step=step)
    if digest in kept.recovery:
        return replace(kept, recovery=tuple(each for each in kept.recovery if each != digest))
    return None


def is_known(who: Person, source: Source, now: int) -> bool:
    """Whether the account signed in from that browser before."""
    row = who.organisation.books.get(DEVICE, _device(who, source.device))
    return bool(source.device) and row is not None and now - KnownDevice.decode(row).seen < DEVICE_FOR


def remember(who: Person, device: str, now: int) -> None:
    """From now on that browser is known, once the account is approved; written at most once a day."""
    if who.account.state != accounts.ACTIVE:
        return
    name, books = _device(who, device), who.organisation.books
    row = books.get(DEVICE, name)
    if row is None or now - KnownDevice.decode(row).seen >= DAY:
        books.put(DEVICE, [(name, KnownDevice(now).encode())])


def _device(who: Person, device: str) -> bytes:
    return digest("known-device", who.id, hashlib.sha256(device.encode()).digest())


# Signing up -------------------------------------------------------------------------------------


def first_passkey(organisation: Organisation, site: Site, credential: Credential, now: int) -> Passkey:
    """The passkey of who answered a challenge to sign up, with the account that it is to prove; raises SignInRefused,
    ChallengeRefused, SecretSent."""
    challenge = passkeys.challenge_of(credential)
    kept = challenges.take(organisation.books, challenge, challenges.SIGN_UP, now)
    return passkeys.made(site, credential, challenge, kept.account, now)


def new_password(totp: bytes, hash: str, code: str, now: int) -> tuple[Password, list[str]]:
    """What is kept of a new password whose authenticator gave its first code, and the recovery codes, shown once;
    raises SignInRefused."""
    step = codes.totp_step(totp, code.strip(), 0, now)
    if step is None:
        raise SignInRefused()
    recovery = codes.new_recovery_codes()
    return Password(hash, totp, step, tuple(map(codes.code_digest, recovery)), now), recovery


def new_passkey(who: Person, session: bytes, site: Site, credential: Credential, now: int) -> Passkey:
    """One more passkey of an account, for a challenge that its session asked for; raises SignInRefused,
    ChallengeRefused, SecretSent."""
    challenge = passkeys.challenge_of(credential)
    challenges.take(who.organisation.books, challenge, challenges.ADD, now, session)
    return passkeys.made(site, credential, challenge, who.id, now)


def sweep(organisation: Organisation, now: int) -> None:
    """Drops browsers that are known no more."""
    rows = [(name, KnownDevice.decode(row)) for name, row in organisation.books.rows(DEVICE)]
    organisation.books.drop(DEVICE, [name for name, row in rows if now - row.seen >= DEVICE_FOR])
