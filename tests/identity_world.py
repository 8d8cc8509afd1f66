"""One organisation whose people sign in, on books that another process can open again."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from authenticator import ORIGIN, Authenticator
from careledger.app.identity import accounts, challenges, codes, passkeys, passwords, proving
from careledger.app.identity.accounts import Person
from careledger.app.identity.passkeys import Site
from careledger.app.identity.proving import Source
from careledger.app.keyring import Keyring
from careledger.app.vault import InsecurePlainGuard
from careledger.domain.parties import Role
from careledger.formats.identity import Claim, Shown
from careledger.workflows.actors import Organisation

SITE = Site("localhost", ORIGIN, bytes(32))
CLAIM = Claim("Rahima Khatun", "NID-42-0007", "1988-04", b"\5" * 32)
HERE, ELSEWHERE = Source("192.0.2.1"), Source("198.51.100.7")
PASSWORD = "a heron over the delta"
NOW = 1_800_000_000


@dataclass
class Door:
    """The organisation, and the time there."""

    folder: Path
    now: int = NOW
    keyring: Keyring = field(init=False)
    city: Organisation = field(init=False)

    def __post_init__(self) -> None:
        self.keyring = Keyring(self.folder, InsecurePlainGuard())
        self.city = self.keyring.new_organisation("City", Role.HOSPITAL)

    def restart(self) -> None:
        """Everything that was in memory is gone."""
        self.keyring.close()
        self.keyring = Keyring(self.folder, InsecurePlainGuard())
        self.city = self.keyring.organisation("City")

    def organisations(self) -> list[Organisation]:
        return list(self.keyring.organisations().values())

    def sign_up(self, key: Authenticator | None = None, post: int = 0) -> tuple[Person, Authenticator]:
        key = key or Authenticator()
        id = secrets.token_bytes(16)
        challenge = challenges.give(self.city.books, challenges.SIGN_UP, self.now, id)
        options = passkeys.creation_options(SITE, id, "new", challenge)
        made = key.create(options)
        proof = proving.first_passkey(self.city, SITE, made, self.now)
        return accounts.open_account(self.city, proof.account, CLAIM, proof, self.now, post), key

    def with_password(self, post: int = 0) -> tuple[Person, bytes, list[str]]:
        """An account with a password; its authenticator app's secret and its recovery codes."""
        totp = codes.new_totp()
        first = codes.totp_code(totp, self.now // codes.PERIOD)
        kept, recovery = proving.new_password(totp, passwords.new_hash(PASSWORD), first, self.now)
        self.now += 2 * codes.PERIOD
        id = secrets.token_bytes(16)
        return accounts.open_account(self.city, id, CLAIM, kept, self.now, post), totp, recovery

    def options(self, name: str = "") -> Any:
        return proving.passkey_options(self.city, SITE, name, self.now)

    def by_passkey(self, answer: Any) -> Person:
        return self.shown_by(answer)[0]

    def shown_by(self, answer: Any) -> tuple[Person, Shown]:
        return proving.by_passkey(self.city, SITE, answer, self.now)

    def by_password(
        self, name: str, code: str, password: str = PASSWORD, source: Source = HERE, right: bool | None = None
    ) -> Person:
        """``right``: what the comparison says, where it need not be made."""
        steps = proving.by_password(self.city, name, password, code, source, self.now)
        asks: Callable[[], object] = next(steps)
        try:
            steps.send(asks() if right is None else right)
        except StopIteration as ended:
            made: Person = ended.value
            return made
        raise AssertionError("it goes on")

    def code(self, totp: bytes) -> str:
        return codes.totp_code(totp, self.now // codes.PERIOD)
