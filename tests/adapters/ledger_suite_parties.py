"""What every implementation of the port Ledger does for organisations, posts, custodians and teams."""

from __future__ import annotations

import pytest

from adapters.ledger_world import (
    CENTRE,
    DOCTOR,
    HOSPITAL,
    NURSE,
    OFFICER,
    OFFICERS,
    OTHER_DOCTOR,
    STRANGER,
    LedgerWorld,
    declared,
    digest,
    key,
    of,
    refused,
    signing,
)
from careledger.domain.parties import Role, Status


class PartySuite:
    """Subclasses give the fixture ``world``."""

    def test_an_organisation_is_pending_until_an_officer_verifies_it(self, world: LedgerWorld) -> None:
        world.pending(HOSPITAL)
        before = world.ledger.fresh_head()
        pending = before.party(HOSPITAL)
        assert pending is not None
        assert (pending.status, pending.standing) == (Status.PENDING, Status.PENDING)
        assert (pending.licence, pending.sealing_key) == declared(HOSPITAL)
        head = world.ledger.verify(HOSPITAL, *declared(HOSPITAL), *OFFICER)
        verified = world.ledger.at(head.number).party(HOSPITAL)
        assert verified is not None
        assert (verified.status, verified.roles) == (Status.VERIFIED, frozenset({Role.HOSPITAL}))
        assert (verified.employer, verified.controller) == (0, of(HOSPITAL).address)
        assert before.party(HOSPITAL) == pending
        assert world.ledger.at(head.number - 1).party(HOSPITAL) == pending

    def test_nobody_else_verifies_and_nothing_but_what_was_checked(self, world: LedgerWorld) -> None:
        world.pending(HOSPITAL)
        licence, sealing_key = declared(HOSPITAL)
        with refused("caller"):
            world.ledger.verify(HOSPITAL, licence, sealing_key, STRANGER, OFFICERS[0])
        with refused("officer"):
            world.ledger.verify(HOSPITAL, licence, sealing_key, of(HOSPITAL), HOSPITAL)
        with refused("other declaration"):
            world.ledger.verify(HOSPITAL, digest("another licence"), sealing_key, *OFFICER)
        with refused("status"):
            world.ledger.verify(CENTRE, *declared(CENTRE), *OFFICER)
        world.ledger.verify(HOSPITAL, licence, sealing_key, *OFFICER)
        with refused("status"):
            world.ledger.verify(HOSPITAL, licence, sealing_key, *OFFICER)

    def test_a_number_is_taken_once_and_for_organisation_roles_only(self, world: LedgerWorld) -> None:
        with refused("role"):
            world.ledger.propose_organisation(HOSPITAL, [Role.DOCTOR], *declared(HOSPITAL), of(HOSPITAL))
        with refused("role"):
            world.ledger.propose_organisation(HOSPITAL, [], *declared(HOSPITAL), of(HOSPITAL))
        with refused("empty"):
            world.ledger.propose_organisation(0, [Role.CENTRE], *declared(0), of(HOSPITAL))
        with refused("empty"):
            world.ledger.propose_organisation(HOSPITAL, [Role.CENTRE], bytes(32), digest("key"), of(HOSPITAL))
        world.pending(HOSPITAL)
        with refused("taken"):
            world.ledger.propose_organisation(HOSPITAL, [Role.CENTRE], *declared(1), STRANGER)

    def test_a_suspended_employer_suspends_its_posts(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.post(DOCTOR, HOSPITAL)
        world.ledger.suspend(HOSPITAL, *OFFICER)
        doctor = world.ledger.fresh_head().party(DOCTOR)
        assert doctor is not None
        assert (doctor.status, doctor.standing) == (Status.VERIFIED, Status.SUSPENDED)
        world.ledger.reinstate(HOSPITAL, *OFFICER)
        doctor = world.ledger.fresh_head().party(DOCTOR)
        assert doctor is not None
        assert doctor.standing is Status.VERIFIED

    def test_supervision_follows_its_order(self, world: LedgerWorld) -> None:
        world.pending(HOSPITAL)
        with refused("status"):
            world.ledger.suspend(HOSPITAL, *OFFICER)
        world.ledger.verify(HOSPITAL, *declared(HOSPITAL), *OFFICER)
        with refused("status"):
            world.ledger.reinstate(HOSPITAL, *OFFICER)
        with refused("caller"):
            world.ledger.suspend(HOSPITAL, STRANGER, OFFICERS[0])
        with refused("unknown"):
            world.ledger.suspend(CENTRE, *OFFICER)
        with refused("role"):
            world.ledger.suspend(OFFICERS[1], *OFFICER)
        world.ledger.remove(HOSPITAL, *OFFICER)
        for act in (world.ledger.remove, world.ledger.reinstate, world.ledger.suspend):
            with refused("status"):
                act(HOSPITAL, *OFFICER)

    def test_an_employer_vouches_for_posts_and_ends_them(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.organisation(CENTRE, Role.CENTRE)
        world.post(DOCTOR, HOSPITAL)
        doctor = world.ledger.fresh_head().party(DOCTOR)
        assert doctor is not None
        assert (doctor.employer, doctor.roles) == (HOSPITAL, frozenset({Role.DOCTOR}))
        assert (doctor.licence, doctor.sealing_key) == declared(DOCTOR)
        with refused("taken"):
            world.post(DOCTOR, CENTRE)
        with refused("role"):
            world.ledger.vouch(
                NURSE, HOSPITAL, [Role.MINISTRY], *declared(NURSE), STRANGER.address, of(HOSPITAL)
            )
        with refused("caller"):
            world.ledger.vouch(NURSE, HOSPITAL, [Role.NURSE], *declared(NURSE), STRANGER.address, STRANGER)
        with refused("caller"):
            world.ledger.end_post(DOCTOR, of(CENTRE))
        with refused("unknown"):
            world.ledger.end_post(HOSPITAL, of(HOSPITAL))
        world.ledger.end_post(DOCTOR, of(HOSPITAL))
        ended = world.ledger.fresh_head().party(DOCTOR)
        assert ended is not None
        assert ended.standing is Status.REMOVED
        with refused("status"):
            world.ledger.end_post(DOCTOR, of(HOSPITAL))

    def test_a_suspended_employer_ends_posts_but_vouches_for_none(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.post(DOCTOR, HOSPITAL)
        world.ledger.suspend(HOSPITAL, *OFFICER)
        with refused("status"):
            world.post(NURSE, HOSPITAL, Role.NURSE)
        world.ledger.end_post(DOCTOR, of(HOSPITAL))
        world.ledger.remove(HOSPITAL, *OFFICER)
        with refused("employer status"):
            world.ledger.end_post(DOCTOR, of(HOSPITAL))

    def test_a_rotated_key_acts_and_the_old_one_no_longer(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        new = key("the hospital's next key")
        with refused("caller"):
            world.ledger.rotate_party(HOSPITAL, STRANGER, new)
        world.ledger.rotate_party(HOSPITAL, of(HOSPITAL), new)
        with refused("caller"):
            world.post(DOCTOR, HOSPITAL)
        world.ledger.replace_sealing_key(HOSPITAL, digest("next sealing key"), new)
        facts = world.ledger.fresh_head().party(HOSPITAL)
        assert facts is not None
        assert (facts.controller, facts.sealing_key) == (new.address, digest("next sealing key"))

    def test_a_pending_party_takes_no_new_keys(self, world: LedgerWorld) -> None:
        world.pending(HOSPITAL)
        with refused("status"):
            world.ledger.rotate_party(HOSPITAL, of(HOSPITAL), key("next"))
        with refused("status"):
            world.ledger.replace_sealing_key(HOSPITAL, digest("next"), of(HOSPITAL))
        world.ledger.verify(HOSPITAL, *declared(HOSPITAL), *OFFICER)
        with refused("empty"):
            world.ledger.replace_sealing_key(HOSPITAL, bytes(32), of(HOSPITAL))

    # Custodians --------------------------------------------------------------------------------

    def test_a_custodian_serves_after_two_steps(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.announced(HOSPITAL)
        view = world.ledger.fresh_head()
        assert (view.custodians(), view.custodian(HOSPITAL)) == ((), None)
        with refused("custodian state"):
            world.announced(HOSPITAL)
        with refused("caller"):
            world.ledger.activate_custodian(HOSPITAL, STRANGER, OFFICERS[0])
        world.ledger.activate_custodian(HOSPITAL, *OFFICER)
        (facts,) = world.ledger.fresh_head().custodians()
        assert (facts.number, facts.signer, facts.leaving) == (HOSPITAL, signing(HOSPITAL).address, False)
        assert (facts.sealing_key, facts.log_key) == (declared(HOSPITAL)[1], digest(f"log {HOSPITAL}"))
        with refused("custodian state"):
            world.ledger.activate_custodian(HOSPITAL, *OFFICER)

    def test_a_custodian_leaves_in_two_steps_and_may_come_back(self, world: LedgerWorld) -> None:
        world.custodian(HOSPITAL)
        with refused("custodian state"):
            world.ledger.retire_custodian(HOSPITAL, *OFFICER)
        world.ledger.leave_custodians(HOSPITAL, of(HOSPITAL))
        (facts,) = world.ledger.fresh_head().custodians()
        assert facts.leaving
        world.ledger.retire_custodian(HOSPITAL, *OFFICER)
        view = world.ledger.fresh_head()
        assert view.custodians() == ()
        assert view.custodian(HOSPITAL) is not None
        with refused("custodian state"):
            world.ledger.leave_custodians(HOSPITAL, of(HOSPITAL))
        world.announced(HOSPITAL)
        assert world.ledger.fresh_head().custodian(HOSPITAL) is not None
        world.ledger.activate_custodian(HOSPITAL, *OFFICER)
        assert len(world.ledger.fresh_head().custodians()) == 1

    def test_a_suspended_custodian_does_not_serve_and_can_be_released(self, world: LedgerWorld) -> None:
        world.custodian(HOSPITAL)
        world.custodian(CENTRE)
        world.ledger.suspend(HOSPITAL, *OFFICER)
        assert [each.number for each in world.ledger.fresh_head().custodians()] == [CENTRE]
        world.ledger.retire_custodian(HOSPITAL, *OFFICER)
        with refused("status"):
            world.announced(HOSPITAL)

    def test_a_custodian_takes_new_keys(self, world: LedgerWorld) -> None:
        world.organisation(CENTRE)
        with refused("custodian state"):
            world.ledger.rekey_custodian(CENTRE, digest("log"), key("signer"), of(CENTRE))
        world.custodian(HOSPITAL)
        with refused("caller"):
            world.ledger.rekey_custodian(HOSPITAL, digest("log"), key("signer"), STRANGER)
        with refused("empty"):
            world.ledger.rekey_custodian(HOSPITAL, bytes(32), key("signer"), of(HOSPITAL))
        world.ledger.rekey_custodian(HOSPITAL, digest("log"), key("signer"), of(HOSPITAL))
        facts = world.ledger.fresh_head().custodian(HOSPITAL)
        assert facts is not None
        assert (facts.signer, facts.log_key) == (key("signer").address, digest("log"))

    @pytest.mark.parametrize("state", ["pending", "suspended"])
    def test_who_is_not_verified_cannot_join(self, world: LedgerWorld, state: str) -> None:
        world.pending(HOSPITAL)
        if state == "suspended":
            world.ledger.verify(HOSPITAL, *declared(HOSPITAL), *OFFICER)
            world.ledger.suspend(HOSPITAL, *OFFICER)
        with refused("status"):
            world.announced(HOSPITAL)

    # Teams -------------------------------------------------------------------------------------

    def test_a_post_is_in_its_team_and_in_those_above(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.post(DOCTOR, HOSPITAL)
        world.ledger.create_team(41, HOSPITAL, 0, of(HOSPITAL))
        world.ledger.create_team(42, HOSPITAL, 41, of(HOSPITAL))
        world.ledger.create_team(43, HOSPITAL, 41, of(HOSPITAL))
        world.ledger.join_team(DOCTOR, 42, of(HOSPITAL))
        view = world.ledger.fresh_head()
        assert [view.in_team(DOCTOR, team) for team in (41, 42, 43, 44)] == [True, True, False, False]
        assert [view.team(team) for team in (41, 42, 44)] == [(HOSPITAL, 0), (HOSPITAL, 41), None]
        world.ledger.suspend(HOSPITAL, *OFFICER)
        assert not world.ledger.fresh_head().in_team(DOCTOR, 42)
        world.ledger.reinstate(HOSPITAL, *OFFICER)
        world.ledger.leave_team(DOCTOR, 42, of(HOSPITAL))
        assert not world.ledger.fresh_head().in_team(DOCTOR, 41)
        assert view.in_team(DOCTOR, 41)

    def test_only_the_organisation_changes_its_teams(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.organisation(CENTRE)
        world.post(DOCTOR, HOSPITAL)
        world.post(OTHER_DOCTOR, CENTRE)
        with refused("caller"):
            world.ledger.create_team(41, HOSPITAL, 0, of(CENTRE))
        world.ledger.create_team(41, HOSPITAL, 0, of(HOSPITAL))
        with refused("taken"):
            world.ledger.create_team(41, HOSPITAL, 0, of(HOSPITAL))
        with refused("parent"):
            world.ledger.create_team(42, CENTRE, 41, of(CENTRE))
        with refused("caller"):
            world.ledger.join_team(DOCTOR, 41, of(CENTRE))
        with refused("employer"):
            world.ledger.join_team(OTHER_DOCTOR, 41, of(HOSPITAL))
        with refused("unknown"):
            world.ledger.join_team(DOCTOR, 49, of(HOSPITAL))
        with refused("not in team"):
            world.ledger.leave_team(DOCTOR, 41, of(HOSPITAL))
        world.ledger.join_team(DOCTOR, 41, of(HOSPITAL))
        with refused("in team"):
            world.ledger.join_team(DOCTOR, 41, of(HOSPITAL))

    def test_a_team_hangs_elsewhere_and_is_given_up(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.organisation(CENTRE)
        world.post(DOCTOR, HOSPITAL)
        for team in (41, 42, 43):
            world.ledger.create_team(team, HOSPITAL, 0, of(HOSPITAL))
        world.ledger.join_team(DOCTOR, 42, of(HOSPITAL))
        world.ledger.move_team(42, 41, of(HOSPITAL))
        view = world.ledger.fresh_head()
        assert (view.team(42), view.in_team(DOCTOR, 41)) == ((HOSPITAL, 41), True)
        for team, parent, organisation, why in (
            (42, 43, CENTRE, "caller"), (41, 43, HOSPITAL, "teams below"), (43, 43, HOSPITAL, "cycle"),
            (43, 49, HOSPITAL, "parent"), (49, 41, HOSPITAL, "unknown"),
        ):  # fmt: skip
            with refused(why):
                world.ledger.move_team(team, parent, of(organisation))
        for team, organisation, why in ((42, CENTRE, "caller"), (41, HOSPITAL, "teams below")):
            with refused(why):
                world.ledger.retire_team(team, of(organisation))
        world.ledger.retire_team(42, of(HOSPITAL))
        later = world.ledger.fresh_head()
        assert [later.team_stands(team) for team in (41, 42, 49)] == [True, False, False]
        assert [later.in_team(DOCTOR, team) for team in (41, 42)] == [False, False]
        assert (later.memberships(DOCTOR), later.memberships(51)) == ((42,), ())
        assert view.team_stands(42)
        with refused("retired"):
            world.ledger.join_team(DOCTOR, 42, of(HOSPITAL))
        with refused("retired"):
            world.ledger.move_team(42, 0, of(HOSPITAL))
        with refused("retired"):
            world.ledger.retire_team(42, of(HOSPITAL))
        with refused("parent"):
            world.ledger.create_team(44, HOSPITAL, 42, of(HOSPITAL))
        world.ledger.leave_team(DOCTOR, 42, of(HOSPITAL))
        assert world.ledger.fresh_head().memberships(DOCTOR) == ()
        world.ledger.retire_team(41, of(HOSPITAL))  # what hung below it is given up

    def test_teams_are_at_most_eight_levels_deep(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        for level in range(8):
            world.ledger.create_team(50 + level, HOSPITAL, 49 + level if level else 0, of(HOSPITAL))
        with refused("too deep"):
            world.ledger.create_team(58, HOSPITAL, 57, of(HOSPITAL))
