"""What is done in a soak: so many acts a second of a mix, each timed, and remembered once it is acknowledged."""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.parse import urlencode

from _soak_kept import Kept
from _soak_people import FORM, Person
from _soak_world import Cast, heart_rate, new_login, small_patient
from joserfc import jwt
from over_http import Line, Refused

from careledger.adapters.edge.http import Edge
from careledger.app.assertions import TYPE
from careledger.app.identity import sessions
from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.errors import CareLedgerError
from careledger.domain.parties import PartyId
from careledger.gateway.scim.patching import OPERATION
from careledger.gateway.scim.users import STAFF, USER
from careledger.workflows.grant import grant
from careledger.workflows.revoke import revoke

SHARES = {
    "read": 400, "fresh": 60, "search": 110, "everything": 50, "create": 60, "update": 30, "bundle": 8,
    "read in a session": 60, "read by a service": 20, "sign in": 24, "step up": 8, "list sessions": 20,
    "end a session": 10, "end an account's sessions": 3, "service token": 25, "introspect": 50, "revoke a token": 8,
    "refresh": 20, "consent": 12, "join": 5, "leave": 5,
}  # fmt: skip
"""Of a thousand acts, about."""
OPENED = "a record opened first"
"""All of a patient's, as a consent lets a reader: they become more, so that each of them is counted."""
WORKERS, LONGEST, MOST_ASIDE = 8, 30 * 24 * 3600, 20
SCIM = "application/scim+json"
VIEW = Scope(frozenset(Compartment(each) for each in Category), frozenset({Permission.VIEW}))


class Nothing(Exception):
    """Just now there is nobody or nothing to do that with."""


@dataclass
class Load:
    """The mix at one server."""

    base: str
    cast: Cast
    people: list[Person]
    operator: Person
    kept: Kept = field(default_factory=Kept)
    taken: list[tuple[float, str, float]] = field(default_factory=list)
    """When, what, and for how many milliseconds."""
    failed: list[str] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)
    written: list[tuple[str, str]] = field(default_factory=list)
    """Observations that were written, by patient."""
    access: list[str] = field(default_factory=list)
    given: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """The owner of each patient's newest consent for a reader, empty while it is not known."""
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Without /fhir."""
        return self.base.removesuffix("/fhir")

    def once(self) -> None:
        """Each act once, and some before others that need them; a consent is given and revoked."""
        hands = Hands(self)
        for kind in ("bundle", "create", "service token", *SHARES, "sign in", "end a session", "consent"):
            with suppress(Nothing):
                self._timed(kind, hands, random.Random(1))

    def run(self, pace: float) -> list[threading.Thread]:
        """Begins ``pace`` acts a second, until ``over``."""
        threads = [threading.Thread(target=self._work, args=(seed, pace)) for seed in range(WORKERS)]
        for each in threads:
            each.start()
        return threads

    def _work(self, seed: int, pace: float) -> None:
        chance, hands = random.Random(seed), Hands(self)
        while not self.over.is_set():
            kind = chance.choices(list(SHARES), list(SHARES.values()))[0]
            try:
                self._timed(kind, hands, chance)
            except Nothing:
                pass
            except (OSError, HTTPException, RuntimeError, CareLedgerError) as error:
                if not self.over.is_set():
                    self.failed.append(f"{kind}: {error!r}"[:300])
            self.over.wait(chance.expovariate(pace / WORKERS))

    def _timed(self, kind: str, hands: Hands, chance: random.Random) -> None:
        begun = time.perf_counter()
        aside = ACTS[kind](hands, chance) or 0.0
        self.taken.append((begun, kind, 1000 * (time.perf_counter() - begun - aside)))


class Hands:
    """One thread's connections, and the acts."""

    def __init__(self, load: Load) -> None:
        self.load, self.kept, self.cast = load, load.kept, load.cast
        cast = load.cast
        self.reading, self.doctor = Line(load.base, cast.reading), Line(load.base, cast.doctor)
        self.desk, self.operator = Line(load.base, cast.desk), Line(load.base, cast.operator)
        self.nobody = Line(load.base)
        self.readers = [Line(load.base, token) for _, _, token in cast.readers]
        self.edge = Edge(load.url)

    # Records ----------------------------------------------------------------------------------------

    def read(self, chance: random.Random) -> None:
        self._within(self.reading.ask, chance)
        self.kept.shown.add(self.cast.reading)

    def fresh(self, chance: random.Random) -> None:
        def ask(path: str) -> object:
            return self.reading.ask(path, None, {"Cache-Control": "no-cache"})

        self._within(ask, chance)

    def _within(self, ask: Callable[[str], object], chance: random.Random) -> None:
        """A record within a lease, which is opened by a search where it is over."""
        path = f"/fhir/Observation/{chance.choice(self.load.observations)}"
        try:
            ask(path)
        except Refused as refused:
            if refused.status != 404:
                raise
            ask(f"/fhir/Observation?patient={self.cast.alias}&_count=1")
            ask(path)

    def search(self, chance: random.Random) -> None:
        self.reading.ask(f"/fhir/Observation?patient={self.cast.alias}&_count=50")

    def everything(self, chance: random.Random) -> None:
        self.reading.ask(f"/fhir/Patient/{self.cast.alias}/$everything?_count=100")

    def bundle(self, chance: random.Random) -> None:
        response = json.loads(self.desk.ask("/fhir", small_patient()))
        places = [each["response"]["location"].partition("/_history/") for each in response["entry"]]
        alias = next(place for place, _, _ in places if place.startswith("Patient/")).removeprefix("Patient/")
        for place, _, version in places:
            self.kept.wrote(place, version)
        with self.load.lock:
            self.load.patients.append(alias)

    def create(self, chance: random.Random) -> None:
        if not self.load.patients:
            raise Nothing
        alias = chance.choice(self.load.patients[-20:])
        made = json.loads(
            self.doctor.ask("/fhir/Observation", json.dumps(heart_rate(alias, chance)).encode())
        )
        self.kept.wrote(f"Observation/{made['id']}", made["meta"]["versionId"])
        with self.load.lock:
            self.load.written.append((alias, f"Observation/{made['id']}"))

    def update(self, chance: random.Random) -> None:
        with self.load.lock:
            if not self.load.written:
                raise Nothing
            alias, path = self.load.written.pop(-1 - chance.randrange(min(100, len(self.load.written))))
        self.doctor.ask(f"/fhir/Patient/{alias}")
        now = json.loads(self.doctor.ask(f"/fhir/{path}"))
        now["note"] = [{"text": f"looked at again, {chance.random()}"}]
        made = json.loads(self.doctor.put(f"/fhir/{path}", json.dumps(now).encode()))
        self.kept.wrote(path, made["meta"]["versionId"])
        with self.load.lock:
            self.load.written.append((alias, path))

    # People -----------------------------------------------------------------------------------------

    def read_in_a_session(self, chance: random.Random) -> None:
        with self._somebody(chance) as person:
            self._within(person.fhir, chance)
            self.kept.shown.add(person.session)

    def sign_in(self, chance: random.Random) -> None:
        """In the same browser, whose session is over with it, or in another one."""
        with self._somebody(chance, lambda each: each.may_sign_in) as person:
            if chance.random() < 0.5:
                person.set_aside()
            before = person.session
            self.kept.sessions.pop(before, None)
            person.sign_in()
            self.kept.ended_sessions.update(filter(None, [before]))
            self._look_at(person)
            while len(person.others) > MOST_ASIDE:
                self.kept.sessions.pop(person.others.pop(0), None)

    def step_up(self, chance: random.Random) -> None:
        with self._somebody(chance, lambda each: bool(each.session) and not each.totp) as person:
            before = person.session
            self.kept.sessions.pop(before, None)
            person.step_up()
            self.kept.ended_sessions.add(before)

    def list_sessions(self, chance: random.Random) -> None:
        with self._somebody(chance) as person:
            person.ask("GET", "/sessions")

    def end_a_session(self, chance: random.Random) -> None:
        with self._somebody(chance, lambda each: bool(each.session and each.others)) as person:
            secret = person.others.pop()
            self.kept.sessions.pop(secret, None)
            name = sessions.digest_of(secret).hex()
            if name not in {each["id"] for each in person.ask("GET", "/sessions")["items"]}:
                raise Nothing
            person.ask("DELETE", f"/sessions/{name}")
            self.kept.ended_sessions.add(secret)

    def end_an_accounts_sessions(self, chance: random.Random) -> None:
        """By an operator, whose own proof has to be fresh; then the person signs in again."""
        with self._somebody(chance, lambda each: bool(each.account)) as person, self.load.operator.lock:
            self.load.operator.step_up()
            there = [*person.others, person.session]
            for secret in there:
                self.kept.sessions.pop(secret, None)
            self.load.operator.ask("POST", f"/people/{person.account}/end-of-sessions", {})
            self.kept.ended_sessions.update(filter(None, there))
            person.others.clear()
            person.sign_in()
            self._look_at(person)

    def _look_at(self, person: Person) -> None:
        self.kept.sessions[person.session] = time.time()

    @contextmanager
    def _somebody(
        self, chance: random.Random, fits: Callable[[Person], bool] = lambda each: bool(each.session)
    ) -> Iterator[Person]:
        """Somebody who is signed in and does nothing else now; raises Nothing."""
        for person in chance.sample(self.load.people, len(self.load.people)):
            if person.lock.acquire(blocking=False):
                try:
                    if fits(person):
                        yield person
                        if person.session in self.kept.sessions:
                            self._look_at(person)
                        return
                finally:
                    person.lock.release()
        raise Nothing

    # Programs ---------------------------------------------------------------------------------------

    def service_token(self, chance: random.Random) -> None:
        made = json.loads(self.nobody.ask("/oauth/token", self._asking("system/*.rs introspect"), FORM))
        with self.load.lock:
            self.load.access.append(made["access_token"])
            del self.load.access[:-50]

    def read_by_a_service(self, chance: random.Random) -> None:
        bearer = {"Authorization": f"Bearer {self._token()}"}
        self._within(lambda path: self.nobody.ask(path, None, bearer), chance)

    def introspect(self, chance: random.Random) -> None:
        token = self._token()
        form = urlencode({"token": token}).encode()
        said = self.nobody.ask("/oauth/introspect", form, FORM | {"Authorization": f"Bearer {token}"})
        if json.loads(said)["active"] is not True:
            raise RuntimeError("a token that counts is called none")

    def _token(self) -> str:
        with self.load.lock:
            if not self.load.access:
                raise Nothing
            return self.load.access[-1]

    def revoke_a_token(self, chance: random.Random) -> None:
        with self.load.lock:
            if len(self.load.access) < 2:
                raise Nothing
            token = self.load.access.pop(0)
        self.nobody.ask("/oauth/revoke", self._proved({"token": token}), FORM)
        self.kept.ended_tokens.add(token)

    def refresh(self, chance: random.Random) -> None:
        with self.load.lock:
            taken = self.kept.renewal(chance, time.monotonic())
        if taken is None:
            raise Nothing
        client, token = taken
        said = {"grant_type": "refresh_token", "client_id": client, "refresh_token": token}
        made = json.loads(self.nobody.ask("/oauth/token", urlencode(said).encode(), FORM))
        with self.load.lock:
            self.kept.used_refresh[client] = token
            self.kept.refresh[client] = made["refresh_token"]

    def _asking(self, scope: str) -> bytes:
        return self._proved({"grant_type": "client_credentials", "scope": scope})

    def _proved(self, form: dict[str, str]) -> bytes:
        id, key = self.cast.service, self.cast.key
        claims = {"iss": id, "sub": id, "aud": f"{self.load.url}/oauth/token", "exp": int(time.time()) + 240}
        header = {"alg": "ES384", "typ": "JWT", "kid": key.kid}
        signed = jwt.encode(header, claims | {"jti": secrets.token_hex(8)}, key, ["ES384"])
        return urlencode(form | {"client_assertion_type": TYPE, "client_assertion": signed}).encode()

    # Patients and staff -----------------------------------------------------------------------------

    def consent(self, chance: random.Random) -> float:
        """A patient gives a reader a consent, who reads, or revokes it; the seconds in which all was opened."""
        number, reader = chance.randrange(len(self.cast.agents)), chance.randrange(len(self.readers))
        agent, alias = self.cast.agents[number], self.cast.agents[number].alias.hex()
        if not agent.lock.acquire(blocking=False):
            raise Nothing
        try:
            stood = self.kept.consents.pop((number, reader), None)
            if stood:
                self._revoke(number, reader, alias)
            elif stood is False or (number, reader) not in self.load.given:
                return self._give(number, reader, alias)
            return 0.0
        finally:
            agent.lock.release()

    def _give(self, number: int, reader: int, alias: str) -> float:
        agent, (post, employer, _) = self.cast.agents[number], self.cast.readers[reader]
        grantee, now = Grantee(GranteeKind.POST, post, PartyId(employer)), int(time.time())
        network, window = agent.network(self.edge), Window(now - 10, now + LONGEST)
        self.load.given[number, reader] = b""
        made = grant(network, agent.holder(), grantee, VIEW, Purpose.TREAT, window)
        self.load.given[number, reader] = made.owner
        self.kept.consents[number, reader] = True
        line = self.readers[reader]
        begun = time.perf_counter()
        found = json.loads(line.ask(f"/fhir/Patient/{alias}/$everything?_count=20"))
        opening = time.perf_counter() - begun
        self.load.taken.append((begun, OPENED, 1000 * opening / found["total"]))
        self.kept.released[number, reader] += 1
        there = [each["fullUrl"] for each in found["entry"] if each["search"]["mode"] == "match"]
        path = next(each for each in there if "/Patient/" not in each).removeprefix(self.load.url)
        line.ask(path, None, {"Cache-Control": "no-cache"})
        self.kept.released[number, reader] += 1
        return opening

    def _revoke(self, number: int, reader: int, alias: str) -> None:
        agent = self.cast.agents[number]
        revoke(agent.network(self.edge), agent.holder(), self.load.given[number, reader])
        self.kept.consents[number, reader] = False
        status, _, said = self.readers[reader].exchange("GET", f"/fhir/Observation?patient={alias}")
        if status != 403:
            raise RuntimeError(f"a revoked consent was answered {status}: {said[:200]!r}")

    def join(self, chance: random.Random) -> None:
        login = new_login()
        user = {
            "schemas": [USER, STAFF], "userName": login, "displayName": login, "roles": [{"value": "nurse"}],
            STAFF: {"licence": login},
        }  # fmt: skip
        made = json.loads(self._scim("POST", "/Users", user))
        self.kept.staff[made["id"]] = True

    def leave(self, chance: random.Random) -> None:
        with self.load.lock:
            if not self.cast.leavers:
                raise Nothing
            leaver = self.cast.leavers.pop()
        operation = {"op": "replace", "path": "active", "value": False}
        self._scim("PATCH", f"/Users/{leaver.id}", {"schemas": [OPERATION], "Operations": [operation]})
        self.kept.staff[leaver.id] = False
        self.kept.ended_tokens.add(leaver.token)

    def _scim(self, method: str, path: str, body: object) -> bytes:
        said = self.operator.exchange(
            method, f"/scim/v2{path}", json.dumps(body).encode(), {"Content-Type": SCIM}
        )
        if not 200 <= said[0] < 300:
            raise Refused(said[0], said[2])
        return said[2]


ACTS: dict[str, Callable[[Hands, random.Random], float | None]] = {
    name: getattr(Hands, name.replace(" ", "_").replace("'", "")) for name in SHARES
}
