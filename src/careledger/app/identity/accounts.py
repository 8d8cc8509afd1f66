"""Accounts of one organisation's people: pending until it approved, bound to a post or a patient, suspended at once.

A sign-in name is given, not chosen, so that signing up tells nobody which names there are. One account is nobody's: a
name that is not there is looked up, and its password compared, as that one's, so that both take the same path.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from careledger.app.identity import codes, passwords
from careledger.app.identity.passkeys import credential_digest, nobodys_key
from careledger.domain.errors import (
    ActRefused,
    InvitationRefused,
    PartyNotFound,
    SignInRefused,
    Throttled,
)
from careledger.formats.identity import MOST_PASSKEYS, Account, Claim, Passkey, Password
from careledger.formats.schema import Message
from careledger.workflows.actors import Organisation

ACCOUNT, NAME, PASSKEY, PASSWORD = "account", "account-name", "passkey", "password"
ENROLLED = "passkey-enrolled"
OF_POST, OF_ALIAS, WAITING = "account-of-post", "account-of-alias", "account-waiting"
OWN, SECRET = b"", "identity-secret"
PENDING, ACTIVE, SUSPENDED, DECOY = "pending", "active", "suspended", "decoy"
NOBODY = bytes(16)
"""The account that nobody has."""
HELD = "somebody signs in as this post already"
MOST_PENDING = 2_000
WAITS_FOR = 14 * 24 * 3600
"""Seconds after which an account that nobody approved is dropped, with what its person said of themselves."""
_LETTERS = "23456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, repr=False)
class Person:
    """An account with the organisation that keeps it."""

    organisation: Organisation
    id: bytes
    account: Account

    @property
    def is_somebody(self) -> bool:
        """Whether it is an account that somebody has and that is not suspended."""
        return self.account.state in (PENDING, ACTIVE)


def new_name() -> str:
    """A sign-in name: ten letters and digits, some 49 bits, that nobody guesses and nobody takes for another."""
    made = "".join(secrets.choice(_LETTERS) for _ in range(10))
    return f"{made[:5]}-{made[5:]}"


def person(organisation: Organisation, id: bytes) -> Person:
    """Raises PartyNotFound."""
    row = organisation.books.get(ACCOUNT, id)
    if row is None:
        raise PartyNotFound()
    return Person(organisation, id, Account.decode(row))


def people(organisation: Organisation) -> list[Person]:
    """Everybody who has an account, by id."""
    rows = organisation.books.rows(ACCOUNT)
    found = [Person(organisation, id, Account.decode(row)) for id, row in rows]
    return [each for each in found if each.account.state != DECOY]


def by_name(organisation: Organisation, name: str) -> Person:
    """Who has that sign-in name; whoever nobody is where nobody has it, so that both are looked up alike."""
    nobody(organisation)
    id = organisation.books.get(NAME, _plain(name))
    with suppress(PartyNotFound):  # whoever is dropped meanwhile is nobody
        return person(organisation, id or NOBODY)
    return nobody(organisation)


def nobody(organisation: Organisation) -> Person:
    """The account that nobody has, made when it is first needed."""
    row = organisation.books.get(ACCOUNT, NOBODY)
    if row is not None:
        return Person(organisation, NOBODY, Account.decode(row))
    hash = passwords.hashed(secrets.token_urlsafe(32))
    kept = Password(hash, codes.new_totp(), 0, (), 0)
    made = Account(new_name(), DECOY, 0, 0, b"", bytes(32), None, (), 0)
    with organisation.books.alone():
        if organisation.books.get(ACCOUNT, NOBODY) is None:
            rows = {PASSWORD: [(NOBODY, kept.encode())], ACCOUNT: [(NOBODY, made.encode())]}
            organisation.books.change(rows, {})
        return person(organisation, NOBODY)


def secret_of(organisation: Organisation) -> bytes:
    """What decoys are derived from: 32 random bytes that only this organisation has."""
    kept = organisation.books.get(SECRET, OWN)
    if kept is None:
        with organisation.books.alone():
            kept = organisation.books.get(SECRET, OWN)
            if kept is None:
                kept = secrets.token_bytes(32)
                organisation.books.put(SECRET, [(OWN, kept)])
    return kept


def waiting(organisation: Organisation) -> list[Person]:
    """Who signed up and waits for approval, by id."""
    ids = organisation.books.keys(WAITING, b"", MOST_PENDING)
    rows = ((id, organisation.books.get(ACCOUNT, id)) for id in ids)
    found = [Person(organisation, id, Account.decode(row)) for id, row in rows if row is not None]
    return [each for each in found if each.account.state == PENDING]


def check_room(organisation: Organisation) -> None:
    """Raises Throttled where too many wait for approval."""
    if len(organisation.books.keys(WAITING, b"", MOST_PENDING)) >= MOST_PENDING:
        raise Throttled(seconds=3600)


def sweep_waiting(organisation: Organisation, now: int) -> None:
    """Drops accounts that nobody approved in time, whole, none whose registration was begun; and the places of those
    who do not wait any more, which a crash left."""
    books = organisation.books
    with books.alone():  # else who signs up between two looks would lose their place
        there = waiting(organisation)
        here = {each.id for each in there}
        left = [id for id in books.keys(WAITING, b"", MOST_PENDING) if id not in here]
        if left:
            books.drop(WAITING, left)
        for each in there:
            if now - each.account.made >= WAITS_FOR and not each.account.alias:
                books.change({}, _rows_of(each))


def _rows_of(who: Person) -> dict[str, list[bytes]]:
    """Everything that is kept of an account that waits."""
    account = who.account
    return {
        ACCOUNT: [who.id],
        NAME: [_plain(account.name)],
        PASSKEY: list(account.passkeys),
        PASSWORD: [who.id],
        WAITING: [who.id],
    }


def open_account(
    organisation: Organisation,
    id: bytes,
    claim: Claim,
    proof: Passkey | Password | None,
    now: int,
    post: int = 0,
) -> Person:
    """A new account with what proves it, None for who signs on elsewhere, active for a ``post``, else pending.

    The account, its name, what proves it and that it has the post or waits are durable together. Raises ActRefused for
    a passkey that is there, InvitationRefused for a post that somebody has by now.
    """
    with organisation.books.alone():
        if post and holder_of(organisation, post) is not None:
            raise InvitationRefused(why=HELD)
        if isinstance(proof, Passkey):
            name_if_new(organisation, proof)
        return _opened(organisation, id, claim, proof, now, post)


def _opened(
    organisation: Organisation, id: bytes, claim: Claim, proof: Passkey | Password | None, now: int, post: int
) -> Person:
    name, keys = new_name(), tuple[bytes, ...]()
    written: dict[str, list[tuple[bytes, bytes]]] = {}
    if isinstance(proof, Passkey):
        keys = (credential_digest(proof.credential),)
        written[PASSKEY] = [(keys[0], proof.encode())]
    elif proof is not None:
        written[PASSWORD] = [(id, proof.encode())]
    kind, key = (OF_POST, post.to_bytes(8, "big")) if post else (WAITING, id)
    state = ACTIVE if post else PENDING
    made = Account(name, state, 0, post, b"", claim.commitment, claim, keys, now)
    written |= {kind: [(key, id)], ACCOUNT: [(id, made.encode())], NAME: [(_plain(name), id)]}
    organisation.books.change(written, {})
    return Person(organisation, id, made)


def changed(who: Person, **fields: Any) -> Person:
    """The account as it is now with these changes, durable; raises PartyNotFound."""
    with who.organisation.books.alone():
        return save([_with(who, **fields)])[0]


def _with(who: Person, **fields: Any) -> Person:
    """The account as it is in the books, not as it was read some time ago, with these changes."""
    now = person(who.organisation, who.id)
    return replace(now, account=replace(now.account, **fields))


def save(those: Iterable[Person]) -> list[Person]:
    """Accounts of one organisation, durable all together."""
    all_those = list(those)
    if all_those:
        rows = [(each.id, each.account.encode()) for each in all_those]
        all_those[0].organisation.books.put(ACCOUNT, rows)
    return all_those


def suspend(those: Iterable[Person]) -> list[Person]:
    """Nobody signs in as these, and their sessions are over, from the moment that this returns; who waited leaves room
    for others."""
    found = list(those)
    if not found:
        return []
    books = found[0].organisation.books
    with books.alone():
        made = save([_ended(each, state=SUSPENDED) for each in found])
        books.change({}, {WAITING: [each.id for each in made]})
    return made


def reinstate(who: Person) -> Person:
    """As what it was: pending, unless it was approved; raises ActRefused where another one has its post or is its
    patient by now."""
    with who.organisation.books.alone():
        who = person(who.organisation, who.id)
        if who.account.state != SUSPENDED:
            raise ActRefused(why="this account is not suspended")
        if any(each is not None and each.id != who.id for each in _holders(who)):
            raise ActRefused(why="another account has taken its place")
        is_patient = bool(who.account.alias) and who.account.claim is None
        if who.account.post or is_patient:
            return changed(who, state=ACTIVE)
        who.organisation.books.put(WAITING, [(who.id, who.id)])
        return changed(who, state=PENDING)


def _holders(who: Person) -> tuple[Person | None, ...]:
    """Who signs in now as what this account is or was."""
    organisation, account = who.organisation, who.account
    return (
        holder_of(organisation, account.post) if account.post else None,
        whose(organisation, account.alias) if account.alias else None,
    )


def end_sessions(those: Iterable[Person]) -> list[Person]:
    """Every session of these is over from the moment that this returns."""
    found = list(those)
    if not found:
        return []
    with found[0].organisation.books.alone():
        return save([_ended(each) for each in found])


def _ended(who: Person, **fields: Any) -> Person:
    now = _with(who, **fields)
    return replace(now, account=replace(now.account, generation=now.account.generation + 1))


# What proves somebody ---------------------------------------------------------------------------


def passkeys(who: Person) -> list[Passkey]:
    """The account's passkeys."""
    rows = (who.organisation.books.get(PASSKEY, each) for each in who.account.passkeys)
    return [Passkey.decode(row) for row in rows if row is not None]


def passkey(organisation: Organisation, credential: bytes) -> Passkey | None:
    """The passkey with that credential id, as long as its account has it; looked up alike where nobody has it."""
    name = credential_digest(credential)
    row = organisation.books.get(PASSKEY, name)
    found = Passkey.decode(_nobodys_passkey() if row is None else row)
    with suppress(PartyNotFound):  # whoever is dropped meanwhile has none
        who = nobody(organisation) if row is None else person(organisation, found.account)
        return found if name in who.account.passkeys else None
    return None


@cache
def _nobodys_passkey() -> bytes:
    return Passkey(NOBODY, bytes(32), nobodys_key(), 0, 0, 0).encode()


def used(organisation: Organisation, key: Passkey, count: int, now: int) -> None:
    """It was shown with that counter: an answer with that one or a lower one counts no more. Raises SignInRefused where
    that is so already, as for a passkey that is none any more."""
    with organisation.books.alone():
        kept = passkey(organisation, key.credential)
        if kept is None or (max(kept.count, count) > 0 and count <= kept.count):
            raise SignInRefused()
        _put(organisation, PASSKEY, credential_digest(key.credential), replace(kept, count=count, used=now))


def add_passkey(who: Person, key: Passkey) -> Person:
    """One more; raises ActRefused for one too many, or that is there already."""
    with who.organisation.books.alone():
        there = person(who.organisation, who.id).account.passkeys
        if len(there) >= MOST_PASSKEYS:
            raise ActRefused(why=f"{MOST_PASSKEYS} passkeys are the most")
        name = name_if_new(who.organisation, key)
        _put(who.organisation, PASSKEY, name, key)
        return changed(who, passkeys=(*there, name))


def remove_passkey(who: Person, name: bytes) -> Person:
    """One less, by the SHA-256 of its id; raises ActRefused for the last proof, PartyNotFound for none."""
    with who.organisation.books.alone():
        there = person(who.organisation, who.id).account.passkeys
        if name not in there:
            raise PartyNotFound()
        if len(there) == 1 and password(who) is None:
            raise ActRefused(why="it is the last proof of this account; add another one first")
        who.organisation.books.change({}, {PASSKEY: [name], ENROLLED: [name]})
        return changed(who, passkeys=tuple(each for each in there if each != name))


def password(who: Person) -> Password | None:
    """The account's password with its codes, None without one."""
    row = who.organisation.books.get(PASSWORD, who.id)
    return None if row is None else Password.decode(row)


def set_password(who: Person, kept: Password) -> None:
    """From now on this one and no earlier one."""
    _put(who.organisation, PASSWORD, who.id, kept)


def remove_password(who: Person) -> None:
    """None any more; raises ActRefused for the last proof."""
    with who.organisation.books.alone():
        if not person(who.organisation, who.id).account.passkeys:
            raise ActRefused(why="it is the last proof of this account; add a passkey first")
        who.organisation.books.drop(PASSWORD, [who.id])


def name_if_new(organisation: Organisation, key: Passkey) -> bytes:
    """The name of a passkey that nobody has; raises ActRefused: an id that somebody has would let one account's passkey
    prove another (WebAuthn §7.1, step 26)."""
    if passkey(organisation, key.credential) is not None:
        raise ActRefused(why="this passkey is there already")
    return credential_digest(key.credential)


# Whose they are --------------------------------------------------------------------------------


def holder_of(employer: Organisation, post: int) -> Person | None:
    """Who signs in as that post."""
    return _bound(employer, OF_POST, post.to_bytes(8, "big"))


def whose(registrar: Organisation, alias: bytes) -> Person | None:
    """Who signs in as that patient."""
    return _bound(registrar, OF_ALIAS, alias)


def bind(who: Person, alias: bytes = b"", post: int = 0) -> Person:
    """The account is active as that patient or post, and waits no more."""
    kind, key = (OF_POST, post.to_bytes(8, "big")) if post else (OF_ALIAS, alias)
    with who.organisation.books.alone():
        who.organisation.books.put(kind, [(key, who.id)])
        claim = who.account.claim if post else None
        made = changed(who, state=ACTIVE, alias=alias, post=post, claim=claim)
        who.organisation.books.drop(WAITING, [who.id])
    return made


def _bound(organisation: Organisation, kind: str, key: bytes) -> Person | None:
    id = organisation.books.get(kind, key)
    row = None if id is None else organisation.books.get(ACCOUNT, id)
    return None if id is None or row is None else Person(organisation, id, Account.decode(row))


def _put(organisation: Organisation, kind: str, name: bytes, row: Message) -> None:
    organisation.books.put(kind, [(name, row.encode())])


def _plain(name: str) -> bytes:
    return name.strip().casefold().encode("utf-8", "replace")[:64]
