"""Consents against a plain model: any order of giving, revoking, replaying and forging, with time passing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from careledger.formats.consent_messages import GiveConsent, RevokeConsent
from contracts.harness import HOUR, Chain, Contract, artifact, high_s, key
from contracts.records_world import digest, outcome

OWNERS = [key(f"owner {i}") for i in range(3)]
COMMITMENTS = [digest(f"commitment {i}") for i in range(2)]
RELAY = key("relay")

owners, commitments = st.integers(0, len(OWNERS) - 1), st.integers(0, len(COMMITMENTS) - 1)


@dataclass
class Kept:
    """What the model knows of one consent."""

    state: int
    start: int
    until: int
    given_at: int
    revoked_at: int


class Consents(RuleBasedStateMachine):
    """The contract and a dictionary, told the same."""

    outcomes: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.chain = Chain()
        self.contract: Contract = self.chain.deploy(artifact("Consents"))
        self.model: dict[tuple[int, int], Kept] = {}
        self.sent: list[tuple[str, Any, tuple[int, int]]] = []

    def tell(self, what: str, function: str, item: Any, expected: str | None) -> bool:
        """Send; the contract must say what the model says."""
        reason = outcome(self.contract, RELAY, function, item)
        assert reason == (expected or "")
        self.outcomes[f"{what}: {reason or 'done'}"] += 1
        return not reason

    @rule(
        owner=owners, what=commitments, start=st.integers(-HOUR, HOUR // 4), length=st.integers(-5, 6 * HOUR)
    )
    def give(self, owner: int, what: int, start: int, length: int) -> None:
        """The owner gives, perhaps for a window that is over or empty, perhaps again."""
        next_time = self.chain.time + 1
        begin, end = next_time + start, next_time + start + length
        message = GiveConsent(OWNERS[owner].address, COMMITMENTS[what], begin, end, next_time + HOUR)
        expected = None
        if begin >= end or end <= next_time:
            expected = "window"
        elif (owner, what) in self.model:
            expected = "used"
        item = message.carried(message.sign(OWNERS[owner], self.chain.chain_id, self.contract.address))
        self.sent.append(("give", item, (owner, what)))
        if self.tell("give", "give", item, expected):
            self.model[owner, what] = Kept(1, begin, end, self.chain.time, 0)

    @rule(owner=owners, what=commitments)
    def revoke(self, owner: int, what: int) -> None:
        """The owner revokes what was given, was never given, or is revoked."""
        message = RevokeConsent(OWNERS[owner].address, COMMITMENTS[what], self.chain.time + HOUR)
        known = self.model.get((owner, what))
        item = message.carried(message.sign(OWNERS[owner], self.chain.chain_id, self.contract.address))
        self.sent.append(("revoke", item, (owner, what)))
        expected = "used" if known is not None and known.state == 2 else None
        if self.tell("revoke" if known else "burn", "revoke", item, expected):
            kept = known or Kept(2, 0, 0, 0, 0)
            self.model[owner, what] = Kept(2, kept.start, kept.until, kept.given_at, self.chain.time)

    @precondition(lambda self: any(kept.state == 1 for kept in self.model.values()))
    @rule(data=st.data())
    def revoke_a_given_one(self, data: st.DataObject) -> None:
        """The owner revokes a consent that stands."""
        standing = sorted(which for which, kept in self.model.items() if kept.state == 1)
        self.revoke(*data.draw(st.sampled_from(standing)))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """Anybody sends a message again: it never brings a consent back."""
        function, item, which = data.draw(st.sampled_from(self.sent))
        before = self.model.get(which)
        if function == "revoke" and before is not None and before.state == 1:
            return  # a revocation that the deadline still allows is the owner's will: not a replay
        if before is None:
            return
        reason = outcome(self.contract, RELAY, function, item)
        assert reason in {"used", "deadline", "window"}
        self.outcomes["replay: refused"] += 1

    @rule(owner=owners, what=commitments, forger=owners, other_form=st.booleans())
    def forge(self, owner: int, what: int, forger: int, other_form: bool) -> None:
        """Another key signs, or the owner's signature is given in its other form."""
        if forger == owner and not other_form:
            return
        message = RevokeConsent(OWNERS[owner].address, COMMITMENTS[what], self.chain.time + HOUR)
        signature = message.sign(OWNERS[forger], self.chain.chain_id, self.contract.address)
        item = message.carried(high_s(signature) if other_form else signature)
        self.tell("forge", "revoke", item, "signature")

    @rule(seconds=st.integers(1, HOUR))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.chain.pass_time(seconds)

    @invariant()
    def the_contract_says_what_the_model_says(self) -> None:
        """Every consent's slot, and whether it is active now."""
        now = self.chain.time
        for owner, actor in enumerate(OWNERS):
            for what, commitment in enumerate(COMMITMENTS):
                kept = self.model.get((owner, what), Kept(0, 0, 0, 0, 0))
                told = self.contract.call("consent", actor.address, commitment)
                assert told == (kept.state, kept.start, kept.until, kept.given_at, kept.revoked_at)
                active = self.contract.call("active", actor.address, commitment, now)
                assert active == (kept.state == 1 and kept.start <= now < kept.until)
                self.outcomes[f"active: {active}"] += 1


def test_consents_do_what_a_plain_dictionary_does() -> None:
    Consents.outcomes.clear()
    run_state_machine_as_test(Consents, settings=settings(max_examples=50, stateful_step_count=30))
    wanted = {
        "give: done": 30,
        "give: used": 15,
        "give: window": 10,
        "revoke: done": 10,
        "revoke: used": 15,
        "burn: done": 15,
        "replay: refused": 15,
        "forge: signature": 40,
        "active: True": 40,
    }
    few = {what: Consents.outcomes[what] for what, least in wanted.items() if Consents.outcomes[what] < least}
    assert not few, Consents.outcomes
