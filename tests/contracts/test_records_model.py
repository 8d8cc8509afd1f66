"""Records against a plain model: anchors, direct deposits and removals by parties that come and go."""

from __future__ import annotations

from collections import Counter
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

from careledger.domain.categories import Category
from careledger.domain.parties import Role
from careledger.formats.record_words import AnchorWord, DepositPage, DepositPlace, page_digest
from careledger.formats.signatures import SigningKey
from contracts.harness import key
from contracts.records_world import CENTRE, HOSPITAL, OFFICER, World, digest, outcome

ROLES = {HOSPITAL: Role.HOSPITAL, CENTRE: Role.CENTRE}
MAY_WRITE = {HOSPITAL: {Category.VISIT}, CENTRE: {Category.REPORT}}
REGISTRATIONS = {b"registration  01": HOSPITAL, b"registration  02": CENTRE}
ROOTS = [digest(f"root {i}") for i in range(4)]

organisations = st.sampled_from(sorted(ROLES))
senders = st.sampled_from(["itself", "itself", "itself", "other", "stranger"])
registrations = st.sampled_from(sorted(REGISTRATIONS))


class Records(RuleBasedStateMachine):
    """The contract and plain dictionaries, told the same."""

    outcomes: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        for registration, registrar in REGISTRATIONS.items():
            self.world.register(registration, registrar)
        self.suspended: set[int] = set()
        self.anchors: dict[bytes, tuple[int, int, int, int]] = {}
        self.pages: dict[tuple[bytes, int], tuple[list[bytes], set[int]]] = {}

    def sender(self, organisation: int, who: str) -> SigningKey:
        """The organisation's controller, another's, or a stranger."""
        other = {HOSPITAL: CENTRE, CENTRE: HOSPITAL}[organisation]
        return {
            "itself": self.world.key(organisation),
            "other": self.world.key(other),
            "stranger": key("stranger"),
        }[who]

    def who_is_refused(self, organisation: int, who: str) -> str:
        """Why an organisation's act by that sender is refused, or ""."""
        if who != "itself":
            return "caller"
        return "status" if organisation in self.suspended else ""

    def told(self, what: str, reason: str, expected: str) -> bool:
        """Count; the contract must say what the model says."""
        assert reason == expected, what
        self.outcomes[f"{what}: {reason or 'done'}"] += 1
        return not reason

    @rule(root=st.sampled_from(ROOTS), organisation=organisations, count=st.integers(0, 3), who=senders)
    def anchor(self, root: bytes, organisation: int, count: int, who: str) -> None:
        """Somebody anchors a root, perhaps a known one."""
        known, expected = self.anchors.get(root), self.who_is_refused(organisation, who)
        if not expected and known is not None:
            expected = "" if known[:2] == (organisation, count) else "known root"
        elif not expected and count == 0:
            expected = "count"
        reason = outcome(
            self.world.records, self.sender(organisation, who), "anchor", root, organisation, count
        )
        if self.told("anchor", reason, expected) and known is None:
            self.anchors[root] = (organisation, count, self.world.chain.time, self.world.chain.number)

    @rule(
        registration=registrations,
        organisation=organisations,
        role=st.sampled_from([Role.HOSPITAL, Role.CENTRE]),
        category=st.sampled_from([Category.VISIT, Category.REPORT, Category.PRESCRIPTION]),
        who=senders,
    )
    def deposit(
        self, registration: bytes, organisation: int, role: Role, category: Category, who: str
    ) -> None:
        """Somebody deposits for a registration, perhaps not theirs, perhaps what they may not."""
        leaves, _ = self.pages.setdefault((registration, organisation), ([], set()))
        expected = self.who_is_refused(organisation, who)
        if not expected and role is not ROLES[organisation]:
            expected = "role"
        elif not expected and REGISTRATIONS[registration] != organisation:
            expected = "registration"
        elif not expected and category not in MAY_WRITE[organisation]:
            expected = "category"
        leaf = digest(f"{registration!r} {len(leaves)}")
        args: tuple[Any, ...] = (organisation, registration, len(leaves) // 32, role, category, leaf)
        if self.told(
            "deposit", outcome(self.world.records, self.sender(organisation, who), "deposit", *args), expected
        ):
            leaves.append(leaf)

    @rule(data=st.data(), registration=registrations)
    def deposit_rightly(self, data: st.DataObject, registration: bytes) -> None:
        """The registrar deposits what it may, several at once."""
        organisation = REGISTRATIONS[registration]
        (category,) = MAY_WRITE[organisation]
        for _ in range(data.draw(st.sampled_from([1, 2, 17]))):
            self.deposit(registration, organisation, ROLES[organisation], category, "itself")

    @precondition(lambda self: any(leaves for leaves, _ in self.pages.values()))
    @rule(data=st.data(), who=senders)
    def remove(self, data: st.DataObject, who: str) -> None:
        """Somebody removes a deposit, perhaps one that is not there or is removed already."""
        filled = sorted(which for which, (leaves, _) in self.pages.items() if leaves)
        registration, organisation = data.draw(st.sampled_from(filled))
        leaves, removed = self.pages[registration, organisation]
        number = data.draw(st.sampled_from([0, 0, len(leaves) - 1, len(leaves)]))
        expected = self.who_is_refused(organisation, who)
        if not expected and number >= len(leaves):
            expected = "unknown"
        elif not expected and number in removed:
            expected = "removed"
        where = DepositPlace.numbered(organisation, number).where()
        signer = self.sender(organisation, who)
        reason = outcome(self.world.records, signer, "remove_record", registration, where)
        if self.told("remove", reason, expected):
            removed.add(number)

    @rule(organisation=organisations)
    def suspend_or_reinstate(self, organisation: int) -> None:
        """The ministry suspends an organisation, or ends its suspension."""
        function = "reinstate" if organisation in self.suspended else "suspend"
        self.world.records.send(self.world.key(OFFICER), function, OFFICER, organisation)
        self.suspended ^= {organisation}

    @invariant()
    def the_contract_says_what_the_model_says(self) -> None:
        """Every anchor and every page."""
        for root in ROOTS:
            word = AnchorWord.unpack(self.world.records.call("anchor_word", root))
            assert word == (AnchorWord(*self.anchors[root]) if root in self.anchors else None)
        for (registration, organisation), (leaves, removed) in self.pages.items():
            for page in range(len(leaves) // 32 + 1):
                where = DepositPlace(organisation, page).where()
                kept = leaves[32 * page : 32 * page + 32]
                gone = frozenset(number - 32 * page for number in removed if number // 32 == page)
                told = DepositPage.unpack(self.world.records.call("page_word", registration, where))
                assert told == DepositPage(len(kept), gone, page_digest(kept))
                self.outcomes["full pages"] += len(kept) == 32


def test_records_do_what_plain_dictionaries_do() -> None:
    Records.outcomes.clear()
    run_state_machine_as_test(Records, settings=settings(max_examples=40, stateful_step_count=30))
    wanted = {
        "anchor: done": 10,
        "anchor: known root": 2,
        "anchor: count": 1,
        "anchor: caller": 5,
        "anchor: status": 2,
        "deposit: done": 100,
        "deposit: caller": 5,
        "deposit: status": 5,
        "deposit: role": 5,
        "deposit: registration": 2,
        "deposit: category": 2,
        "remove: done": 5,
        "remove: removed": 1,
        "remove: unknown": 1,
        "remove: caller": 5,
        "remove: status": 2,
        "full pages": 10,
    }
    few = {what: Records.outcomes[what] for what, least in wanted.items() if Records.outcomes[what] < least}
    assert not few, Records.outcomes
