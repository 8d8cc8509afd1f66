"""What somebody sees and ends of their own: the account, its sessions, and what proves it."""

from __future__ import annotations

from typing import cast

from careledger.app import app_grants
from careledger.app.identity import accounts, challenges, codes, passkeys, passwords, proving, sessions
from careledger.app.identity.sessions import Current
from careledger.app.names import Names
from careledger.domain.errors import PartyNotFound, SessionRefused, SignInRefused
from careledger.gateway.api.times import moment
from careledger.gateway.identity import bodies
from careledger.gateway.identity.operations import CREATED, Call, Operation, Said, Service, Steps, Who
from careledger.gateway.identity.people import sign_on
from careledger.gateway.identity.signing_in import over, proved_again, take


def me(service: Service, call: Call) -> Said:
    """Whose session it is."""
    current, world = call.current, service.desk.world
    account, row = current.who.account, current.row
    names = Names(world, world.ledger.fresh_head(), current.who.organisation)
    post = names.id(account.post) if account.post else None
    times = moment(row.proved), moment(row.until)
    patient = account.alias.hex() or None
    elsewhere = sign_on(current.who.organisation, "?again=1")
    return Said(
        bodies.Me(account.name, account.state, post, patient, row.purpose, row.proof, *times, elsewhere)
    )


def listed(service: Service, call: Call) -> Said:
    """One's own sessions."""
    there = sessions.own(call.current.who, call.now)
    return Said(bodies.Sessions([_session(each, call.current) for each in there]))


def end(service: Service, call: Call) -> Said:
    """One of them is over, another than the one that asks by a fresh proof; raises PartyNotFound, FreshProofNeeded."""
    ended = _one(sessions.own(call.current.who, call.now), call.parts["session"])
    if ended.digest != call.current.digest:
        call.current.require_fresh(call.now)
    over(service, [ended])
    return Said(None, 204)


def end_others(service: Service, call: Call) -> Said:
    """All of them but the one that asks are over."""
    _end_others(service, call)
    return Said(None, 204)


def _end_others(service: Service, call: Call) -> None:
    there = sessions.own(call.current.who, call.now)
    over(service, [each for each in there if each.digest != call.current.digest])


def _end_all_else(call: Call) -> list[Current]:
    """Whoever had what proved this account may have signed in by it, and let apps in that end with no session.
    So all of them go but the session at hand and its apps; says which sessions went. Part of the step that changes what
    proves the account, so that no crash and no other request comes between."""
    who = call.current.who
    ended = [each for each in sessions.own(who, call.now) if each.digest != call.current.digest]
    sessions.end(who, [each.digest for each in ended])
    app_grants.end_of_person(who.organisation, who.id, call.current.row.unique)
    return ended


def credentials(service: Service, call: Call) -> Said:
    """What proves oneself here."""
    who = call.current.who
    keys = [
        bodies.Passkey(
            passkeys.credential_digest(each.credential).hex(), moment(each.made), moment(each.used)
        )
        for each in accounts.passkeys(who)
    ]
    password = accounts.password(who)
    left = 0 if password is None else len(password.recovery)
    return Said(bodies.Credentials(keys, password is not None, left))


def passkey_options(service: Service, call: Call) -> Said:
    """What one more passkey is made by."""
    current = call.current
    who, session = current.who, current.digest
    challenge = challenges.give(who.organisation.books, challenges.ADD, call.now, who.id, session)
    there = [each.credential for each in accounts.passkeys(who)]
    made = passkeys.creation_options(service.site, who.id, who.account.name, challenge, there)
    return Said(bodies.Options(made))


def add_passkey(service: Service, call: Call) -> Said:
    """One more passkey; raises SignInRefused, ChallengeRefused, ActRefused."""
    current, answer = call.current, call.body.credential
    key = proving.new_passkey(current.who, current.digest, service.site, answer, call.now)
    accounts.add_passkey(current.who, key)
    return Said(None, 204)


def remove_passkey(service: Service, call: Call) -> Said:
    """One passkey less, and the other sessions are over, as is what this one had open: it proves that passkey no more.
    Raises ActRefused for the last proof, PartyNotFound."""
    with call.current.who.organisation.books.alone():
        accounts.remove_passkey(call.current.who, bytes.fromhex(call.parts["passkey"]))
        ended = _end_all_else(call)
    service.desk.leases.end(call.current.digest)
    over(service, ended)
    return Said(None, 204)


def password_options(service: Service, call: Call) -> Said:
    """What an authenticator app is shown for a new password."""
    current, totp = call.current, codes.new_totp()
    who = current.who
    books = who.organisation.books
    challenge = challenges.give(books, challenges.SET, call.now, who.id, current.digest, totp)
    return Said(bodies.Options(None, challenges.written(challenge), codes.totp_uri(totp, who.account.name)))


def set_password(service: Service, call: Call) -> Steps:
    """A password, in place of one that there was, and the other sessions are over. Where the account has a password or
    a passkey, one of them is shown with it: a session alone, however fresh, changes none. Raises PasswordRefused,
    SignInRefused, ChallengeRefused, Throttled, SessionRefused where the session was ended meanwhile."""
    who, body = call.current.who, call.body
    if accounts.password(who) is not None or accounts.passkeys(who):
        if body.proof is None:
            raise SignInRefused()
        yield from proved_again(service, call, body.proof)
    claim = who.account.claim
    said = () if claim is None else (claim.name, claim.national_id, claim.birth)
    words = service.name_of(who.organisation), who.account.name, *said
    hash = cast(str, (yield lambda: passwords.new_hash(body.password, words)))
    begun = take(who.organisation, body.challenge, challenges.SET, call)
    made, recovery = proving.new_password(begun.totp, hash, body.code, call.now)
    with who.organisation.books.alone():
        if sessions.found(who.organisation, call.current.digest, call.now) is None:
            raise SessionRefused()
        accounts.set_password(who, made)
        ended = _end_all_else(call)
    over(service, ended)
    return Said(bodies.Recovery(recovery), CREATED)


def remove_password(service: Service, call: Call) -> Said:
    """No password any more, and the other sessions are over; raises ActRefused where it is the last proof."""
    with call.current.who.organisation.books.alone():
        accounts.remove_password(call.current.who)
        ended = _end_all_else(call)
    over(service, ended)
    return Said(None, 204)


def _one(there: list[Current], name: str) -> Current:
    for each in there:
        if each.digest.hex() == name:
            return each
    raise PartyNotFound()


def _session(each: Current, here: Current) -> bodies.Session:
    row = each.row
    times = moment(row.began), moment(row.seen), moment(row.until)
    return bodies.Session(each.digest.hex(), *times, row.proof, row.label, each.digest == here.digest)


CHANGED = "proofs-changed"
OPERATIONS = (
    Operation("GET", "/session", me, None, Who.SIGNED_IN),
    Operation("GET", "/sessions", listed, None, Who.SIGNED_IN),
    Operation("DELETE", "/sessions/{session}", end, None, Who.SIGNED_IN, "sessions-ended"),
    Operation("POST", "/sessions/end-others", end_others, bodies.Nothing, event="sessions-ended"),
    Operation("GET", "/credentials", credentials, None, Who.SIGNED_IN),
    Operation("POST", "/passkeys/options", passkey_options, bodies.Nothing),
    Operation("POST", "/passkeys", add_passkey, bodies.NewPasskey, event=CHANGED),
    Operation("DELETE", "/passkeys/{passkey}", remove_passkey, event=CHANGED),
    Operation("POST", "/password/options", password_options, bodies.Nothing),
    Operation("POST", "/password", set_password, bodies.NewPassword, event=CHANGED),
    Operation("DELETE", "/password", remove_password, event=CHANGED),
)
