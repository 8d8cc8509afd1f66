"""The registry against a plain model: whatever is tried in whatever order, both say the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from careledger.domain.parties import Status
from careledger.formats.ledger_messages import RotateController
from careledger.formats.ledger_words import PartyWord, patient_word
from contracts.harness import HOUR, Chain, Reverted, key
from contracts.registry_model import Model, ModelRefusal, Party
from contracts.registry_world import DOCTOR_ROLE, HOSPITAL_ROLE, digest, registration

MINISTRY, OFFICERS = 90, (91, 92)
ORGANISATIONS, POSTS = (11, 12, 13), (21, 22, 23)
ACTORS = ("officer 91", "officer 92", "first", "second", "third", "stranger")
LICENCE, SEALING = digest("licence"), digest("sealing key")
OUTCOMES: Counter[tuple[str, str]] = Counter()

T = TypeVar("T")
seeds = st.integers(0, 2**32 - 1)


class Chance:
    """Who tries what with whom, all from one number."""

    def __init__(self, seed: int, step: int) -> None:
        self._random = random.Random(f"{seed}, {step}")
        self.lucky = self._random.random() < 0.75  # the act is tried by who may, so that histories get long
        self.actor, self.holder = self.any(ACTORS), self.any(ACTORS)
        self.officer, self.organisation, self.post = (
            self.any(OFFICERS),
            self.any(ORGANISATIONS),
            self.any(POSTS),
        )
        self.party = self.any((*ORGANISATIONS, *ORGANISATIONS, *POSTS, *POSTS, *OFFICERS))
        self.number = self.any(range(1, 25))

    def any(self, those: Sequence[T]) -> T:
        """One of them."""
        return self._random.choice(those)


class RegistryMachine(RuleBasedStateMachine):
    """One registry and its model."""

    def __init__(self) -> None:
        super().__init__()
        self.chain, self.model = Chain(), Model()
        keys = [key(f"officer {officer}").address for officer in OFFICERS]
        founded = (MINISTRY, key("ministry").address, OFFICERS, keys, 2)
        self.registry = self.chain.deploy("Records", *founded, bytes(20))
        self.model.parties[MINISTRY] = Party("ministry", Status.VERIFIED, organisation=True, officer=True)
        for officer in OFFICERS:
            self.model.parties[officer] = Party(f"officer {officer}", Status.VERIFIED, MINISTRY, officer=True)

    def try_both(self, act: str, actor: str, expected: Callable[[], None], *args: Any) -> None:
        """Send it, ask the model, compare success or reason, and count the outcome."""
        try:
            self.registry.send(key(actor), act, *args)
            said = "done"
        except Reverted as refusal:
            said = refusal.reason
        try:
            expected()
            should = "done"
        except ModelRefusal as refusal:
            should = str(refusal)
        assert said == should, f"{act} by {actor}: {said}, the model says {should}"
        OUTCOMES[act, "done" if said == "done" else "refused"] += 1

    def who(self, chance: Chance, number: int) -> str:
        """The party's controller if lucky, else anybody."""
        held = self.model.of(number).controller
        return held if chance.lucky and held != "nobody" else chance.actor

    @initialize()
    def found(self) -> None:
        for party, holder in ((11, "first"), (12, "second")):
            self.add_one("officer 91", 91, party, holder)
            self.declare_one(holder, party)
            self.verify_one("officer 92", 92, party)

    def add_one(self, actor: str, officer: int, party: int, holder: str) -> None:
        args = (officer, party, key(holder).address, HOSPITAL_ROLE)
        self.try_both("add_organisation", actor, lambda: self.model.add(actor, officer, party, holder), *args)

    def declare_one(self, actor: str, party: int) -> None:
        self.try_both("declare", actor, lambda: self.model.declare(actor, party), party, LICENCE, SEALING)

    def verify_one(self, actor: str, officer: int, party: int) -> None:
        args = (officer, party, LICENCE, SEALING)
        self.try_both("verify", actor, lambda: self.model.verify(actor, officer, party), *args)

    @rule(seed=seeds)
    def something(self, seed: int) -> None:
        chance = Chance(seed, self.chain.number)
        acts = (
            self.add,
            self.declare,
            self.verify,
            self.supervise,
            self.supervise,
            self.vouch,
            self.end_post,
        )
        chance.any((*acts, self.rotate, self.register, self.register, self.end_registration))(chance)

    def add(self, chance: Chance) -> None:
        actor = self.who(chance, chance.officer)
        self.add_one(actor, chance.officer, chance.organisation, chance.holder)

    def declare(self, chance: Chance) -> None:
        self.declare_one(self.who(chance, chance.organisation), chance.organisation)

    def verify(self, chance: Chance) -> None:
        self.verify_one(self.who(chance, chance.officer), chance.officer, chance.organisation)

    def supervise(self, chance: Chance) -> None:
        actor, officer, party = self.who(chance, chance.officer), chance.officer, chance.party
        act = chance.any(("suspend", "suspend", "reinstate", "remove"))
        waiting = [n for n, known in self.model.parties.items() if known.status is Status.SUSPENDED]
        if waiting and chance.lucky and act != "remove":
            act, party = "reinstate", chance.any(waiting)
        self.try_both(act, actor, lambda: self.model.supervise(actor, officer, party, act), officer, party)

    def vouch(self, chance: Chance) -> None:
        employer, post, holder = chance.organisation, chance.post, chance.holder
        actor = self.who(chance, employer)
        args = (employer, post, key(holder).address, DOCTOR_ROLE, LICENCE, SEALING)
        self.try_both("vouch", actor, lambda: self.model.vouch(actor, employer, post, holder), *args)

    def end_post(self, chance: Chance) -> None:
        post = chance.post if chance.lucky else chance.party
        actor = self.who(chance, self.model.of(post).employer)
        self.try_both("end_post", actor, lambda: self.model.end_post(actor, post), post)

    def rotate(self, chance: Chance) -> None:
        party, holder = chance.party, chance.holder
        actor, new, deadline = self.who(chance, party), key(holder), self.chain.time + HOUR // 2
        message = RotateController(party, new.address, deadline)
        signature = message.sign(new, self.chain.chain_id, self.registry.address)
        args = (party, new.address, deadline, signature)
        self.try_both("rotate_controller", actor, lambda: self.model.rotate(actor, party, holder), *args)

    def register(self, chance: Chance) -> None:
        registrar, number = chance.organisation if chance.lucky else chance.party, chance.number
        actor = self.who(chance, registrar)
        word = patient_word(registrar, registration(number))
        self.try_both("register_patient", actor, lambda: self.model.register(actor, registrar, number), word)

    def end_registration(self, chance: Chance) -> None:
        live = [number for number, registrar in self.model.registrations.items() if registrar]
        number, act = chance.any(live) if live and chance.lucky else chance.number, "end_registration"
        actor = self.who(chance, self.model.registrations.get(number, 0))
        self.try_both(act, actor, lambda: self.model.end_registration(actor, number), registration(number))

    @invariant()
    def both_hold_the_same(self) -> None:
        for number in (*ORGANISATIONS, *POSTS, *OFFICERS):
            word, party = PartyWord.parse(self.registry.call("party_word", number)), self.model.of(number)
            assert word.status is party.status
            assert self.registry.call("standing", number) == self.model.standing(number)
            if number in self.model.parties:
                assert word.controller == key(party.controller).address
                assert (word.employer, word.is_organisation) == (party.employer, party.organisation)
                assert (word.registrations, word.registrations_ever) == (party.registrations, party.ever)
        for number in range(1, 25):
            held = self.registry.call("registration_word", registration(number))
            assert held & 2**64 - 1 == self.model.registrations.get(number, 0)

    @invariant()
    def counts_are_the_registrations(self) -> None:
        for number in ORGANISATIONS:
            live = sum(registrar == number for registrar in self.model.registrations.values())
            assert self.registry.call("patient_counts", number)[0] == live


def test_the_registry_does_what_the_model_does() -> None:
    OUTCOMES.clear()
    steps = settings(
        max_examples=30,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(RegistryMachine, settings=steps)
    acts = {act for act, _ in OUTCOMES}
    assert len(acts) == 11
    for act in acts:
        assert OUTCOMES[act, "done"] >= 8, (act, OUTCOMES)
        assert OUTCOMES[act, "refused"] >= 10, (act, OUTCOMES)
