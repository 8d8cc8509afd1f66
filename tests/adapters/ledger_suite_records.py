"""What every implementation of the port Ledger does for anchors, erasures, checkpoints, emergencies and the matrix."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from adapters.ledger_world import (
    CENTRE,
    DAY,
    DOCTOR,
    HOSPITAL,
    HOUR,
    NURSE,
    OFFICER,
    OFFICERS,
    OTHER_DOCTOR,
    PHARMACY,
    POLICY_DELAY,
    RELAY,
    STRANGER,
    VOTERS,
    LedgerWorld,
    digest,
    key,
    of,
    refused,
    signing,
)
from careledger.domain.categories import Category
from careledger.domain.errors import LedgerStale
from careledger.domain.facts import AnchorFacts, BreakGlassFacts, Head
from careledger.domain.parties import Role
from careledger.formats.consent_messages import OpenBreakGlass
from careledger.formats.releases import SignedOpening

ROOT, MAP_ROOT, NOTE = digest("root"), digest("map root"), digest("note")


class RecordSuite:
    """Subclasses give the fixture ``world``."""

    def test_an_anchored_root_names_block_organisation_and_size(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        head = world.ledger.anchor(ROOT, 5, HOSPITAL, of(HOSPITAL))
        facts = AnchorFacts(ROOT, head.number, head.time, HOSPITAL, 5)
        assert world.ledger.fresh_head().anchor(ROOT) == facts
        assert world.ledger.at(head.number).anchor(ROOT) == facts
        assert world.ledger.at(head.number - 1).anchor(ROOT) is None

    def test_anchoring_again_is_harmless_for_the_same_organisation_only(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.organisation(CENTRE, Role.CENTRE)
        head = world.ledger.anchor(ROOT, 5, HOSPITAL, of(HOSPITAL))
        world.clock.advance(HOUR)
        facts = world.ledger.fresh_head().anchor(ROOT)
        assert world.ledger.anchor(ROOT, 5, HOSPITAL, of(HOSPITAL)) == head
        assert world.ledger.fresh_head().anchor(ROOT) == facts
        with refused("known root"):
            world.ledger.anchor(ROOT, 6, HOSPITAL, of(HOSPITAL))
        with refused("known root"):
            world.ledger.anchor(ROOT, 5, CENTRE, of(CENTRE))

    def test_only_verified_organisations_anchor_something(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.post(DOCTOR, HOSPITAL)
        with refused("count"):
            world.ledger.anchor(ROOT, 0, HOSPITAL, of(HOSPITAL))
        with refused("caller"):
            world.ledger.anchor(ROOT, 1, HOSPITAL, STRANGER)
        with refused("role"):
            world.ledger.anchor(ROOT, 1, DOCTOR, of(DOCTOR))
        world.ledger.suspend(HOSPITAL, *OFFICER)
        with refused("status"):
            world.ledger.anchor(ROOT, 1, HOSPITAL, of(HOSPITAL))
        assert world.ledger.fresh_head().anchor(ROOT) is None

    # Erasures ----------------------------------------------------------------------------------

    def test_custodians_attest_what_they_destroyed(self, world: LedgerWorld) -> None:
        for number in (HOSPITAL, CENTRE):
            world.custodian(number)
        leaves = [digest(f"leaf {number}") for number in range(120)]
        world.ledger.attest_erased(leaves, digest("order"), HOSPITAL, signing(HOSPITAL))
        first = world.ledger.fresh_head()
        assert {first.erased_by(leaf) for leaf in leaves} == {frozenset({HOSPITAL})}
        world.ledger.attest_erased(leaves[:2], digest("order"), CENTRE, signing(CENTRE))
        world.ledger.attest_erased(leaves[:2], digest("order"), CENTRE, signing(CENTRE))
        view = world.ledger.fresh_head()
        assert [view.erased_by(leaf) for leaf in leaves[1:3]] == [{HOSPITAL, CENTRE}, {HOSPITAL}]
        assert first.erased_by(leaves[0]) == {HOSPITAL}
        assert view.erased_by(digest("another leaf")) == frozenset()
        assert view.erasures(HOSPITAL, 0) == tuple(leaves)
        assert view.erasures(HOSPITAL, 118) == tuple(leaves[118:])
        assert view.erasures(CENTRE, 0) == tuple(leaves[:2])
        assert view.erasures(HOSPITAL, 200) == view.erasures(DOCTOR, 0) == first.erasures(CENTRE, 0) == ()

    def test_nobody_attests_for_a_custodian(self, world: LedgerWorld) -> None:
        world.custodian(HOSPITAL)
        world.organisation(CENTRE)
        with refused("caller"):
            world.ledger.attest_erased([ROOT], digest("order"), HOSPITAL, of(HOSPITAL))
        with refused("custodian"):
            world.ledger.attest_erased([ROOT], digest("order"), CENTRE, signing(CENTRE))
        world.ledger.suspend(HOSPITAL, *OFFICER)
        with refused("custodian"):
            world.ledger.attest_erased([ROOT], digest("order"), HOSPITAL, signing(HOSPITAL))

    # Checkpoints -------------------------------------------------------------------------------

    def checkpoint(self, world: LedgerWorld, size: int, root: bytes = ROOT) -> Head:
        return world.ledger.anchor_checkpoint(HOSPITAL, size, root, MAP_ROOT, NOTE, signing(HOSPITAL))

    def test_a_log_only_grows(self, world: LedgerWorld) -> None:
        world.custodian(HOSPITAL)
        assert world.ledger.fresh_head().checkpoint(HOSPITAL) is None
        head = self.checkpoint(world, 10)
        facts = world.ledger.fresh_head().checkpoint(HOSPITAL)
        assert facts is not None
        assert (facts.custodian, facts.size, facts.root, facts.map_root) == (HOSPITAL, 10, ROOT, MAP_ROOT)
        assert (facts.block, facts.time, facts.note) == (head.number, head.time, NOTE)
        assert (facts.cosigners, facts.forked) == (frozenset(), False)
        with refused("known"):
            self.checkpoint(world, 10)
        with refused("fork"):
            self.checkpoint(world, 10, digest("another root"))
        with refused("shrunk"):
            self.checkpoint(world, 9)
        self.checkpoint(world, 11)
        assert world.ledger.at(head.number).checkpoint(HOSPITAL) == facts

    def test_only_the_custodians_signing_key_anchors_its_log(self, world: LedgerWorld) -> None:
        world.custodian(HOSPITAL)
        world.organisation(CENTRE)
        for signer in (of(HOSPITAL), STRANGER):
            with refused("signature"):
                world.ledger.anchor_checkpoint(HOSPITAL, 1, ROOT, MAP_ROOT, NOTE, signer)
        with refused("custodian"):
            world.ledger.anchor_checkpoint(CENTRE, 1, ROOT, MAP_ROOT, NOTE, signing(CENTRE))

    def test_other_custodians_cosign_once(self, world: LedgerWorld) -> None:
        for number in (HOSPITAL, CENTRE, PHARMACY):
            world.custodian(number)
        cosign = world.ledger.cosign_checkpoint
        with refused("unknown"):
            cosign(HOSPITAL, 10, ROOT, MAP_ROOT, CENTRE, signing(CENTRE))
        self.checkpoint(world, 10)
        cosign(HOSPITAL, 10, ROOT, MAP_ROOT, CENTRE, signing(CENTRE))
        cosign(HOSPITAL, 10, ROOT, MAP_ROOT, PHARMACY, signing(PHARMACY))
        facts = world.ledger.fresh_head().checkpoint(HOSPITAL)
        assert facts is not None
        assert facts.cosigners == {CENTRE, PHARMACY}
        with refused("cosigned"):
            cosign(HOSPITAL, 10, ROOT, MAP_ROOT, CENTRE, signing(CENTRE))
        with refused("custodian"):
            cosign(HOSPITAL, 10, ROOT, MAP_ROOT, HOSPITAL, signing(HOSPITAL))
        with refused("signature"):
            cosign(HOSPITAL, 10, ROOT, MAP_ROOT, PHARMACY, signing(CENTRE))
        with refused("unknown"):
            cosign(HOSPITAL, 10, digest("another root"), MAP_ROOT, PHARMACY, signing(PHARMACY))

    def test_a_new_checkpoint_has_no_cosigners_yet(self, world: LedgerWorld) -> None:
        for number in (HOSPITAL, CENTRE):
            world.custodian(number)
        self.checkpoint(world, 10)
        self.checkpoint(world, 11)
        world.ledger.cosign_checkpoint(HOSPITAL, 10, ROOT, MAP_ROOT, CENTRE, signing(CENTRE))
        facts = world.ledger.fresh_head().checkpoint(HOSPITAL)
        assert facts is not None
        assert (facts.size, facts.cosigners) == (11, frozenset())

    # Break-glass -------------------------------------------------------------------------------

    def staffed(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.post(DOCTOR, HOSPITAL)
        world.post(NURSE, HOSPITAL, Role.NURSE)

    def open(
        self,
        world: LedgerWorld,
        name: str = "entry",
        seconds: int = HOUR,
        opener: int = DOCTOR,
        second: int = NURSE,
    ) -> Head:
        pair = (opener, of(opener)), (second, of(second))
        until = world.now() + seconds
        return world.ledger.open_break_glass(digest(name), digest("why"), until, True, *pair, RELAY)

    def test_a_doctor_opens_with_a_second_party(self, world: LedgerWorld) -> None:
        self.staffed(world)
        until = world.now() + HOUR
        opened = self.open(world)
        facts = world.ledger.fresh_head().break_glass(digest("entry"))
        assert facts is not None
        assert until <= facts.until <= opened.time + HOUR
        assert facts == BreakGlassFacts(
            digest("entry"), DOCTOR, NURSE, opened.time, facts.until, True, digest("why"), False
        )
        assert world.ledger.fresh_head().break_glass(digest("other")) is None
        with refused("used"):
            self.open(world)

    def test_not_alone_not_a_nurse_and_not_for_long(self, world: LedgerWorld) -> None:
        self.staffed(world)
        with refused("second party"):
            self.open(world, second=DOCTOR)
        with refused("role"):
            self.open(world, opener=NURSE, second=DOCTOR)
        with refused("role"):
            self.open(world, second=HOSPITAL)
        with refused("status"):
            self.open(world, second=OTHER_DOCTOR)
        pair = (DOCTOR, STRANGER), (NURSE, of(NURSE))
        with refused("signature"):
            world.ledger.open_break_glass(ROOT, NOTE, world.now() + HOUR, False, *pair, RELAY)
        world.ledger.suspend(HOSPITAL, *OFFICER)
        with refused("status"):
            self.open(world)

    @pytest.mark.still_clock
    def test_an_emergency_ends_after_it_begins_and_within_four_hours(self, world: LedgerWorld) -> None:
        self.staffed(world)
        for seconds in (0, 4 * HOUR + 1):
            with refused("window"):
                self.open(world, seconds=seconds)
        self.open(world, seconds=4 * HOUR)

    @pytest.mark.still_clock
    def test_an_overdue_review_ends_the_right(self, world: LedgerWorld) -> None:
        self.staffed(world)
        self.open(world)
        world.clock.advance(3 * DAY)
        self.open(world, "second entry")
        assert world.ledger.fresh_head().may_break_glass(DOCTOR)
        world.clock.advance(1)
        with refused("review overdue"):
            self.open(world, "third entry")
        world.organisation(CENTRE)
        assert not world.ledger.fresh_head().may_break_glass(DOCTOR)
        assert world.ledger.fresh_head().may_break_glass(NURSE)
        world.ledger.review_break_glass(digest("entry"), True, HOSPITAL, of(HOSPITAL))
        assert world.ledger.fresh_head().may_break_glass(DOCTOR)
        self.open(world, "third entry")

    def test_a_review_comes_from_officer_or_employer(self, world: LedgerWorld) -> None:
        self.staffed(world)
        world.organisation(CENTRE)
        world.post(OTHER_DOCTOR, CENTRE)
        self.open(world)
        review = world.ledger.review_break_glass
        for reviewer in (DOCTOR, NURSE, CENTRE, OTHER_DOCTOR):
            with refused("reviewer"):
                review(digest("entry"), True, reviewer, of(reviewer))
        with refused("caller"):
            review(digest("entry"), True, HOSPITAL, STRANGER)
        with refused("unknown"):
            review(digest("other entry"), True, HOSPITAL, of(HOSPITAL))
        facts = world.ledger.fresh_head().break_glass(digest("entry"))
        assert facts is not None
        assert (facts.reviewed, facts.reviewer) == (False, 0)
        review(digest("entry"), False, OFFICERS[0], of(OFFICERS[0]))
        facts = world.ledger.fresh_head().break_glass(digest("entry"))
        assert facts is not None
        assert (facts.reviewed, facts.justified, facts.reviewer) == (True, False, OFFICERS[0])
        with refused("reviewed"):
            review(digest("entry"), True, HOSPITAL, of(HOSPITAL))

    def signed(
        self,
        world: LedgerWorld,
        name: str = "entry",
        opener: int = DOCTOR,
        second: int = NURSE,
        **changes: Any,
    ) -> SignedOpening:
        """What both posts signed while the ledger stood still, to be shown within half an hour."""
        at = world.now()
        until, deadline = changes.pop("until", at + HOUR), changes.pop("deadline", at + HOUR // 2)
        said = OpenBreakGlass(digest(name), digest("why"), opener, second, until, True, deadline)
        where = world.ledger.chain_id, world.ledger.contract("BreakGlass")
        keys = changes.pop("keys", (of(opener), of(second)))
        signatures = (key.sign(said.digest(*where)) for key in keys)
        return SignedOpening(*dataclasses.astuple(said), *signatures)

    def test_what_was_opened_without_the_ledger_is_entered_afterwards_once_and_marked(
        self, world: LedgerWorld
    ) -> None:
        self.staffed(world)
        signed = self.signed(world)
        with refused("deadline"):
            world.ledger.enter_break_glass(signed, RELAY)
        world.clock.advance(HOUR)
        head = world.ledger.enter_break_glass(signed, RELAY)
        facts = BreakGlassFacts(
            digest("entry"),
            DOCTOR,
            NURSE,
            head.time,
            signed.until,
            True,
            digest("why"),
            False,
            afterwards=True,
        )
        assert world.ledger.fresh_head().break_glass(digest("entry")) == facts
        with refused("used"):
            world.ledger.enter_break_glass(signed, RELAY)
        world.ledger.review_break_glass(digest("entry"), True, HOSPITAL, of(HOSPITAL))

    def test_entering_afterwards_asks_for_both_posts_and_has_its_time(self, world: LedgerWorld) -> None:
        self.staffed(world)
        late, far = self.signed(world, "late"), self.signed(world, "far", until=world.now() + 5 * HOUR)
        alone, nurse = self.signed(world, second=DOCTOR), self.signed(world, opener=NURSE, second=DOCTOR)
        forged = [self.signed(world, keys=keys) for keys in ((STRANGER, of(NURSE)), (of(DOCTOR), STRANGER))]
        world.clock.advance(HOUR)
        for signed, reason in (
            (far, "window"),
            (alone, "second party"),
            (nurse, "role"),
            (forged[0], "signature"),
            (forged[1], "signature"),
        ):
            with refused(reason):
                world.ledger.enter_break_glass(signed, RELAY)
        world.ledger.suspend(HOSPITAL, *OFFICER)
        with refused("status"):
            world.ledger.enter_break_glass(late, RELAY)
        world.ledger.reinstate(HOSPITAL, *OFFICER)
        world.clock.advance(7 * DAY)
        with refused("deadline"):
            world.ledger.enter_break_glass(late, RELAY)

    def test_who_lacks_a_review_may_own_up_and_a_later_time_may_be_asked_about(
        self, world: LedgerWorld
    ) -> None:
        self.staffed(world)
        opened = self.open(world)
        head = world.ledger.last_head()
        assert head.head.number >= opened.number
        assert head.may_break_glass(DOCTOR, opened.time + 3 * DAY)
        assert not head.may_break_glass(DOCTOR, opened.time + 3 * DAY + 1)
        world.clock.advance(4 * DAY)
        signed = self.signed(world, "own up")
        world.clock.advance(HOUR)
        world.ledger.enter_break_glass(signed, RELAY)
        assert not world.ledger.fresh_head().may_break_glass(DOCTOR)

    # The matrix --------------------------------------------------------------------------------

    def test_a_carried_matrix_is_in_force_after_the_delay(self, world: LedgerWorld) -> None:
        carried = world.ledger.enact_matrix(2, VOTERS)
        assert world.ledger.fresh_head().matrix_version() == 1
        with refused("pending"):
            world.ledger.enact_matrix(2, VOTERS[2:])
        world.clock.advance(POLICY_DELAY)
        world.organisation(HOSPITAL)
        assert world.ledger.fresh_head().matrix_version() == 2
        assert world.ledger.at(carried.number).matrix_version() == 1

    def test_one_vote_enacts_nothing_until_a_second_officer_agrees(self, world: LedgerWorld) -> None:
        world.ledger.enact_matrix(2, VOTERS[:1])
        with refused("voted"):
            world.ledger.enact_matrix(2, VOTERS[:1])
        world.clock.advance(POLICY_DELAY)
        world.organisation(HOSPITAL)
        assert world.ledger.fresh_head().matrix_version() == 1
        world.ledger.enact_matrix(2, VOTERS[1:2])
        world.clock.advance(POLICY_DELAY)
        world.organisation(CENTRE)
        assert world.ledger.fresh_head().matrix_version() == 2

    def test_only_officers_vote_and_only_for_the_next_version(self, world: LedgerWorld) -> None:
        for version in (0, 1, 3):
            with refused("version"):
                world.ledger.enact_matrix(version, VOTERS)
        with refused("officer"):
            world.ledger.enact_matrix(2, [(OFFICERS[0], STRANGER)])
        world.organisation(HOSPITAL)
        with refused("officer"):
            world.ledger.enact_matrix(2, [(HOSPITAL, of(HOSPITAL))])

    # Retention ---------------------------------------------------------------------------------

    def test_a_carried_retention_table_is_in_force_after_the_delay_and_earlier_ones_stay(
        self, world: LedgerWorld
    ) -> None:
        before = world.now()
        first = world.ledger.fresh_head().retention(before)
        assert (first.version, set(first.days)) == (1, {0})
        days = {Category.REPORT: 30, Category.IDENTITY_PHARMACY: 36_525}
        carried = world.ledger.enact_retention(2, days, VOTERS)
        since = carried.time + POLICY_DELAY
        for at, version in ((before, 1), (since - 1, 1), (since, 2), (since + 100 * DAY, 2), (0, 1)):
            assert world.ledger.fresh_head().retention(at).version == version
        found = world.ledger.fresh_head().retention(since)
        assert found.since == since
        assert {Category(number): count for number, count in enumerate(found.days) if count} == days
        assert world.ledger.at(carried.number - 1).retention(since).version == 1
        with refused("pending"):
            world.ledger.enact_retention(3, {}, VOTERS)
        world.clock.advance(POLICY_DELAY)
        world.ledger.enact_retention(3, {}, VOTERS[:1])
        assert world.ledger.fresh_head().retention(since + 100 * DAY).version == 2
        world.ledger.enact_retention(3, {}, VOTERS[1:2])
        assert world.ledger.fresh_head().retention(since + 100 * DAY).version == 3

    def test_only_officers_vote_for_the_next_table_of_at_most_a_hundred_years(
        self, world: LedgerWorld
    ) -> None:
        for version in (0, 1, 3):
            with refused("version"):
                world.ledger.enact_retention(version, {}, VOTERS)
        with refused("days"):
            world.ledger.enact_retention(2, {Category.REPORT: 36_526}, VOTERS)
        with refused("officer"):
            world.ledger.enact_retention(2, {}, [(OFFICERS[0], STRANGER)])
        world.organisation(HOSPITAL)
        with refused("officer"):
            world.ledger.enact_retention(2, {}, [(HOSPITAL, of(HOSPITAL))])
        assert world.ledger.fresh_head().retention(2**40).version == 1

    # Views -------------------------------------------------------------------------------------

    def test_a_view_stays_at_its_block(self, world: LedgerWorld) -> None:
        before = world.ledger.fresh_head()
        world.organisation(HOSPITAL)
        after = world.ledger.fresh_head()
        assert before.party(HOSPITAL) is None
        assert after.party(HOSPITAL) is not None
        assert (after.head.number > before.head.number, after.head.hash != before.head.hash) == (True, True)
        again = world.ledger.at(before.head.number)
        assert (again.head, again.party(HOSPITAL)) == (before.head, None)

    def test_a_block_that_is_not_there_yet_has_no_facts(self, world: LedgerWorld) -> None:
        head = world.ledger.fresh_head().head
        with pytest.raises(LedgerStale):
            world.ledger.at(head.number + 1_000)

    def test_the_deployment_is_bound_to_its_directory(self, world: LedgerWorld) -> None:
        assert len(world.ledger.deployment) == 32
        names = ("Directory", "Registry", "Consents", "Aliases")
        assert len({world.ledger.contract(name) for name in names}) == 4
        assert key("a").address not in {world.ledger.contract(name) for name in names}
