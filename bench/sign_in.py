"""Signing in over HTTP by a passkey, looking a session up, and ending the sessions of a thousand people at once.

    python bench/sign_in.py [--json] [--directory DIR]

The server is a process of its own with five custodians; a sign-in is its two requests, the options and the answer,
each with what it makes durable. Looking up and ending are measured inside a process, on books on a disk: of a thousand
people, each with a session, the check of each is timed in processor time, before and after all are suspended.

Whether a name is there is looked for in the time that a refusal takes: wrong passwords, and answers of passkeys that
prove nothing, for known and unknown ones in random order, in processor time, compared by the Mann-Whitney test. A p
below 0.01 says that they can be told apart.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from _measured import Figure, run
from _network import new_stage
from oauth import processor
from over_http import serving

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from authenticator import Authenticator
from careledger.app.identity import accounts, challenges, codes, passkeys, passwords, proving, sessions
from careledger.app.identity.accounts import Person
from careledger.app.identity.passkeys import Site
from careledger.app.identity.proving import Source
from careledger.app.identity.sessions import Sessions
from careledger.app.keyring import Keyring
from careledger.app.vault import InsecurePlainGuard
from careledger.cli.demo.founding import CITY
from careledger.domain.errors import SessionRefused, SignInRefused
from careledger.domain.parties import Role
from careledger.formats.identity import Claim, Password
from careledger.workflows.actors import Organisation

COMMAND = "python bench/sign_in.py"
SIGN_INS = 25  # as many as one place may ask at once
PEOPLE, OTHERS = 1_000, 4
TRIED = 150
CLAIM = Claim("N", "", "", bytes(32))


class Browser:
    """One connection, and a passkey."""

    def __init__(self, base: str) -> None:
        at = urlsplit(base)
        self._line = http.client.HTTPConnection(at.hostname or "", at.port, timeout=60)
        self._origin = f"http://localhost:{at.port}"
        self.key = Authenticator(origin=self._origin)
        self.id = next(
            each["id"] for each in self.ask("GET", "/organisations")["items"] if each["name"] == CITY
        )

    def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {
            "Sec-Fetch-Site": "same-origin",
            "Origin": self._origin,
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body)
        self._line.request(method, f"/identity{path}", data, headers)
        reply = self._line.getresponse()
        said = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{reply.status}: {said!r}")
        return json.loads(said) if said else None

    def sign_up(self) -> None:
        options = self.ask("POST", "/sign-up/options", {"organisation": self.id})["publicKey"]
        body = {"organisation": self.id, "name": "N", "credential": self.key.create(options)}
        self.ask("POST", "/sign-up", body)

    def sign_in(self) -> float:
        """Milliseconds that the server took for both requests; what the authenticator took is left out."""
        begun = time.perf_counter()
        options = self.ask("POST", "/sign-in/options", {"organisation": self.id})["publicKey"]
        asked = time.perf_counter()
        body = {"organisation": self.id, "credential": self.key.get(options)}
        answers = time.perf_counter()
        self.ask("POST", "/sign-in", body)
        return 1000 * (time.perf_counter() - answers + asked - begun)


def over_http(folder: Path) -> list[Figure]:
    """What a sign-in takes, waited for and in the server's processor time."""
    new_stage(folder).world.close()
    with serving(folder) as (base, pid):
        browser = Browser(base)
        browser.sign_up()
        used = processor(pid)
        taken = [browser.sign_in() for _ in range(SIGN_INS)]
        used = processor(pid) - used
    return [
        Figure.of("sign-in by a passkey, median", statistics.median(taken), "ms", COMMAND),
        Figure.of("the same, processor time of the server", 1000 * used / SIGN_INS, "ms", COMMAND),
    ]


def inside(folder: Path) -> list[Figure]:
    """What a check takes, and ending all sessions at once."""
    keyring = Keyring(folder, InsecurePlainGuard())
    city = keyring.new_organisation("City", Role.HOSPITAL)
    for number in range(OTHERS):
        keyring.new_organisation(f"Other {number}", Role.HOSPITAL)
    now, account = int(time.time()), accounts.nobody(city).account
    ids = (b"\1" * 14 + number.to_bytes(2, "big") for number in range(PEOPLE))
    people = accounts.save(
        Person(city, id, type(account)(**{**vars(account), "state": accounts.ACTIVE, "name": id.hex()[:11]}))
        for id in ids
    )
    held = [sessions.begin(each, None, now, "TREAT")[0] for each in people]
    there = tuple(keyring.organisations().values())
    door = Sessions(lambda: there, lambda: there)
    begun = time.process_time()
    for each in held:
        door.check(each, now)
    checked = 1000 * (time.process_time() - begun) / PEOPLE
    waited = time.perf_counter()
    accounts.suspend(people)
    ended = 1000 * (time.perf_counter() - waited)
    begun = time.process_time()
    assert all(is_over(door, each, now) for each in held)
    refused = 1000 * (time.process_time() - begun) / PEOPLE
    keyring.close()
    return [
        Figure.of("checking a session, processor time", checked, "ms", COMMAND),
        Figure.of("a thousand people suspended, their sessions over", ended, "ms", COMMAND),
        Figure.of("refusing one of them, processor time", refused, "ms", COMMAND),
    ]


def told_apart(folder: Path) -> list[Figure]:
    """Refusals for known and for unknown names, by password and by passkey."""
    keyring = Keyring(folder, InsecurePlainGuard())
    city, now = keyring.new_organisation("City", Role.HOSPITAL), int(time.time())
    accounts.nobody(city)
    made = []
    by_password = compared(*password_tries(city, now))
    made += [Figure.of("known - unknown name, by password, medians", by_password[0], "ms", COMMAND)]
    made += [Figure.of("the same, Mann-Whitney's p (two-sided)", by_password[1], "", COMMAND)]
    by_passkey = compared(*passkey_tries(city, now))
    made += [Figure.of("known - unknown passkey, medians", by_passkey[0], "ms", COMMAND)]
    made += [Figure.of("the same, Mann-Whitney's p (two-sided)", by_passkey[1], "", COMMAND)]
    keyring.close()
    return made


def password_tries(city: Organisation, now: int) -> tuple[list[float], list[float]]:
    hash, known = passwords.new_hash("a heron over the delta"), []
    for _ in range(TRIED):
        kept = Password(hash, codes.new_totp(), 0, (), now)
        known.append(accounts.open_account(city, secrets.token_bytes(16), CLAIM, kept, now).account.name)

    def tried(name: str) -> None:
        source = Source(secrets.token_hex(8))
        steps = proving.by_password(city, name, "another long password", "000000", source, now)
        steps.send(next(steps)())

    return timed(tried, known, [accounts.new_name() for _ in known])


def passkey_tries(city: Organisation, now: int) -> tuple[list[float], list[float]]:
    site = Site("localhost", "http://localhost:8080", bytes(32))
    known: list[Authenticator] = []
    unknown: list[Authenticator] = []
    thief = Authenticator(origin=site.origin)
    thief.create(passkeys.creation_options(site, bytes(16), "N", bytes(32)))
    for there in [True, False] * TRIED:
        key, id = Authenticator(origin=site.origin), secrets.token_bytes(16)
        challenge = challenges.give(city.books, challenges.SIGN_UP, now, id)
        proof = proving.first_passkey(
            city, site, key.create(passkeys.creation_options(site, id, "N", challenge)), now
        )
        if there:
            accounts.open_account(city, id, CLAIM, proof, now)
        (known if there else unknown).append(key)

    def tried(answer: dict[str, Any]) -> None:
        proving.by_passkey(city, site, answer, now)

    def answers(keys: list[Authenticator]) -> list[dict[str, Any]]:
        made = []
        for each in keys:
            options = proving.passkey_options(city, site, "", now)
            answer, other = each.get(options), thief.get(options)
            answer["response"] |= {"signature": other["response"]["signature"]}
            del answer["response"]["userHandle"]  # who guesses does not know it, and need not say it
            made.append(answer)
        return made

    return timed(tried, answers(known), answers(unknown))


def timed(
    tried: Callable[[Any], None], known: list[Any], unknown: list[Any]
) -> tuple[list[float], list[float]]:
    """Milliseconds of processor time that each refusal takes, in random order."""
    took: tuple[list[float], list[float]] = ([], [])
    everybody = [(each, at) for at, those in enumerate((known, unknown)) for each in those]
    random.shuffle(everybody)
    for each, at in everybody:
        begun = time.process_time()
        try:
            tried(each)
        except SignInRefused:
            took[at].append(1000 * (time.process_time() - begun))
    assert {len(each) for each in took} == {len(known)}
    return took


def compared(known: list[float], unknown: list[float]) -> tuple[float, float]:
    """The difference of the medians, and the two-sided p of the Mann-Whitney test by its normal approximation."""
    n, m = len(known), len(unknown)
    less = sum((a < b) + (a == b) / 2 for a in known for b in unknown)
    z = (less - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return statistics.median(known) - statistics.median(unknown), math.erfc(abs(z) / math.sqrt(2))


def is_over(door: Sessions, secret: str, now: int) -> bool:
    try:
        door.check(secret, now)
    except SessionRefused:
        return True
    return False


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All three parts."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        at = Path(scratch)
        return over_http(at / "served") + inside(at / "inside") + told_apart(at / "apart")


if __name__ == "__main__":
    run(__doc__ or "", measure, ("--directory", {"help": "where the directories are made"}))
