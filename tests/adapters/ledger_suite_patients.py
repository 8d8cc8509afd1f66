"""What every implementation of the port Ledger does for registrations, aliases, links and consents."""

from __future__ import annotations

import pytest

from adapters.ledger_world import (
    CENTRE,
    DAY,
    HOSPITAL,
    HOUR,
    OFFICER,
    RELAY,
    STRANGER,
    VOTERS,
    LedgerWorld,
    digest,
    key,
    of,
    refused,
)
from careledger.domain.errors import MalformedBytes
from careledger.domain.facts import AliasFacts, ConsentFacts, Living
from careledger.domain.parties import ControllerKind

SELF, GUARDIAN = ControllerKind.SELF, ControllerKind.GUARDIAN
REGISTRAR, NOBODY = ControllerKind.REGISTRAR, ControllerKind.NOBODY
REGISTRATION = digest("registration")[:16]


class PatientSuite:
    """Subclasses give the fixture ``world``."""

    def test_a_registration_number_is_given_once(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        with refused("caller"):
            world.ledger.register_patient(REGISTRATION, HOSPITAL, STRANGER)
        world.ledger.register_patient(REGISTRATION, HOSPITAL, of(HOSPITAL))
        with refused("taken"):
            world.ledger.register_patient(REGISTRATION, HOSPITAL, of(HOSPITAL))
        with refused("caller"):
            world.ledger.end_registration(REGISTRATION, STRANGER)
        world.ledger.end_registration(REGISTRATION, of(HOSPITAL))
        with refused("unknown"):
            world.ledger.end_registration(REGISTRATION, of(HOSPITAL))
        with refused("taken"):
            world.ledger.register_patient(REGISTRATION, HOSPITAL, of(HOSPITAL))

    def test_a_registration_has_sixteen_bytes(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        with pytest.raises(MalformedBytes):
            world.ledger.register_patient(bytes(32), HOSPITAL, of(HOSPITAL))

    def test_a_suspended_organisation_registers_nobody(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.ledger.register_patient(REGISTRATION, HOSPITAL, of(HOSPITAL))
        world.ledger.suspend(HOSPITAL, *OFFICER)
        with refused("status"):
            world.ledger.register_patient(digest("other")[:16], HOSPITAL, of(HOSPITAL))
        world.ledger.end_registration(REGISTRATION, of(HOSPITAL))

    # Aliases -----------------------------------------------------------------------------------

    def test_an_alias_says_who_controls_it(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        own, held = world.alias("patient"), world.unclaimed("unclaimed")
        until = world.now() + DAY
        child = world.alias("guardian", GUARDIAN, until)
        view = world.ledger.fresh_head()
        assert view.alias(own) == AliasFacts(own, key("patient").address, SELF, 0, 0)
        assert view.alias(held) == AliasFacts(held, key("unclaimed").address, REGISTRAR, 0, HOSPITAL)
        assert view.alias(child) == AliasFacts(child, key("guardian").address, GUARDIAN, until, 0)
        assert view.alias(digest("nobody's")) is None
        with refused("taken"):
            world.alias("patient")

    def test_an_alias_is_opened_in_a_form_that_makes_sense(self, world: LedgerWorld) -> None:
        owner = key("patient")
        with refused("empty"):
            world.ledger.open_alias(bytes(32), owner, SELF, 0, 0, None, RELAY)
        with refused("detail"):
            world.ledger.open_alias(digest("a"), owner, SELF, world.now() + DAY, 0, None, RELAY)
        with refused("until"):
            world.ledger.open_alias(digest("a"), owner, GUARDIAN, world.now(), 0, None, RELAY)
        with refused("kind"):
            world.ledger.open_alias(digest("a"), owner, NOBODY, 0, 0, None, RELAY)

    def test_a_verified_registrar_answers_for_an_unclaimed_alias(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.pending(CENTRE)
        owner, alias = key("patient"), digest("patient")
        with refused("signature form"):
            world.ledger.open_alias(alias, owner, REGISTRAR, 0, HOSPITAL, None, RELAY)
        with refused("registrar signer"):
            world.ledger.open_alias(alias, owner, REGISTRAR, 0, HOSPITAL, STRANGER, RELAY)
        with refused("registrar"):
            world.ledger.open_alias(alias, owner, REGISTRAR, 0, CENTRE, of(CENTRE), RELAY)
        world.unclaimed("patient")

    def test_claiming_ends_the_registrars_control(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        alias, mine = world.unclaimed("unclaimed"), key("patient's own")
        with refused("signer"):
            world.ledger.rotate_alias(alias, SELF, 0, STRANGER, mine, RELAY)
        before = world.ledger.fresh_head()
        head = world.ledger.rotate_alias(alias, SELF, 0, key("unclaimed"), mine, RELAY)
        claimed = AliasFacts(alias, mine.address, SELF, 0, 0)
        assert world.ledger.fresh_head().alias(alias) == claimed
        assert world.ledger.at(head.number - 1).alias(alias) == before.alias(alias) != claimed
        with refused("signer"):
            world.ledger.rotate_alias(alias, SELF, 0, key("unclaimed"), mine, RELAY)

    def test_an_unclaimed_alias_keeps_its_registrar_through_a_rotation(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        alias = world.unclaimed("unclaimed")
        world.ledger.rotate_alias(alias, REGISTRAR, 0, key("unclaimed"), key("next"), RELAY)
        facts = world.ledger.fresh_head().alias(alias)
        assert facts == AliasFacts(alias, key("next").address, REGISTRAR, 0, HOSPITAL)
        world.ledger.suspend(HOSPITAL, *OFFICER)
        with refused("registrar"):
            world.ledger.rotate_alias(alias, SELF, 0, key("next"), key("mine"), RELAY)

    def test_a_patient_never_falls_back_under_somebody(self, world: LedgerWorld) -> None:
        alias, until = world.alias("patient"), world.now() + DAY
        for kind, end in ((GUARDIAN, until), (REGISTRAR, 0)):
            with refused("kind"):
                world.ledger.rotate_alias(alias, kind, end, key("patient"), key("next"), RELAY)
        world.ledger.rotate_alias(alias, SELF, 0, key("patient"), key("next"), RELAY)
        with refused("unknown"):
            world.ledger.rotate_alias(digest("no alias"), SELF, 0, key("patient"), key("next"), RELAY)

    def test_a_guardianship_is_handed_on_but_never_prolonged(self, world: LedgerWorld) -> None:
        until = world.now() + DAY
        alias = world.alias("guardian", GUARDIAN, until)
        present, new = key("guardian"), key("other guardian")
        with refused("until"):
            world.ledger.rotate_alias(alias, GUARDIAN, until + 1, present, new, RELAY)
        world.ledger.rotate_alias(alias, GUARDIAN, until, present, new, RELAY)
        world.clock.advance(DAY)
        with refused("kind"):
            world.ledger.rotate_alias(alias, GUARDIAN, until + DAY, new, present, RELAY)
        world.ledger.rotate_alias(alias, SELF, 0, new, key("the child, grown up"), RELAY)

    def test_two_officers_record_a_death(self, world: LedgerWorld) -> None:
        alias = world.alias("patient")
        with refused("officer"):
            world.ledger.close_alias(alias, [(VOTERS[0][0], STRANGER)])
        world.ledger.close_alias(alias, VOTERS[:1])
        facts = world.ledger.fresh_head().alias(alias)
        assert facts is not None
        assert facts.kind is SELF
        with refused("voted"):
            world.ledger.close_alias(alias, VOTERS[:1])
        world.ledger.close_alias(alias, VOTERS[1:])
        head = world.ledger.fresh_head()
        living = Living(key("patient").address, SELF, head.head.time)
        assert head.alias(alias) == AliasFacts(alias, bytes(20), NOBODY, 0, 0, living)
        with refused("nobody"):
            world.ledger.rotate_alias(alias, SELF, 0, key("patient"), key("next"), RELAY)
        with refused("nobody"):
            world.ledger.close_alias(alias, VOTERS)

    def test_a_rotation_voids_a_single_officers_word(self, world: LedgerWorld) -> None:
        alias = world.alias("patient")
        world.ledger.close_alias(alias, VOTERS[:1])
        world.ledger.rotate_alias(alias, SELF, 0, key("patient"), key("next"), RELAY)
        world.ledger.close_alias(alias, VOTERS[1:2])
        facts = world.ledger.fresh_head().alias(alias)
        assert facts is not None
        assert facts.kind is SELF
        world.ledger.close_alias(alias, VOTERS[:1])
        facts = world.ledger.fresh_head().alias(alias)
        assert facts is not None
        assert facts.kind is NOBODY

    def test_two_officers_withdraw_a_death_that_was_recorded_wrongly(self, world: LedgerWorld) -> None:
        alias = world.alias("patient")
        before = world.ledger.fresh_head().alias(alias)
        with refused("kind"):
            world.ledger.reopen_alias(alias, VOTERS)
        world.ledger.close_alias(alias, VOTERS)
        with refused("officer"):
            world.ledger.reopen_alias(alias, [(VOTERS[0][0], STRANGER)])
        world.ledger.reopen_alias(alias, VOTERS[:1])
        assert world.ledger.fresh_head().alias(alias) != before
        world.ledger.reopen_alias(alias, VOTERS[1:])
        assert world.ledger.fresh_head().alias(alias) == before
        world.ledger.rotate_alias(alias, SELF, 0, key("patient"), key("next"), RELAY)

    # Replacing who controls one ----------------------------------------------------------------

    def test_a_second_organisation_takes_over_from_a_registrar_after_an_alarm(
        self, world: LedgerWorld
    ) -> None:
        world.organisation(HOSPITAL)
        world.organisation(CENTRE)
        alias, second, officer = world.unclaimed("unclaimed"), (CENTRE, of(CENTRE)), VOTERS[0]
        replace, new = world.ledger.replace_controller, key("new")
        with refused("registrar signer"):
            replace(alias, (CENTRE, STRANGER), officer, new, RELAY)
        with refused("officer"):
            replace(alias, second, (VOTERS[0][0], STRANGER), new, RELAY)
        with refused("same registrar"):
            replace(alias, (HOSPITAL, of(HOSPITAL)), officer, new, RELAY)
        with refused("no alarm"):
            world.ledger.complete_replacement(alias, RELAY)
        replace(alias, second, officer, new, RELAY)
        with refused("alarm"):
            replace(alias, second, officer, new, RELAY)
        with refused("too early"):
            world.ledger.complete_replacement(alias, STRANGER)
        world.clock.advance(3 * DAY)
        world.ledger.complete_replacement(alias, STRANGER)
        facts = world.ledger.fresh_head().alias(alias)
        assert facts == AliasFacts(alias, new.address, REGISTRAR, 0, CENTRE)
        with refused("no alarm"):
            world.ledger.complete_replacement(alias, RELAY)

    def test_a_registrar_that_is_there_after_all_stops_its_replacement(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.organisation(CENTRE)
        alias, second = world.unclaimed("unclaimed"), (CENTRE, of(CENTRE))
        before = world.ledger.fresh_head().alias(alias)
        with refused("no alarm"):
            world.ledger.stop_replacement(alias, key("unclaimed"), RELAY)
        world.ledger.replace_controller(alias, second, VOTERS[0], key("new"), RELAY)
        with refused("signer"):
            world.ledger.stop_replacement(alias, STRANGER, RELAY)
        world.ledger.stop_replacement(alias, key("unclaimed"), RELAY)
        world.clock.advance(3 * DAY)
        with refused("no alarm"):
            world.ledger.complete_replacement(alias, RELAY)
        assert world.ledger.fresh_head().alias(alias) == before

    def test_a_claim_voids_a_replacement_that_waits(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        world.organisation(CENTRE)
        alias, second = world.unclaimed("unclaimed"), (CENTRE, of(CENTRE))
        world.ledger.replace_controller(alias, second, VOTERS[0], key("new"), RELAY)
        world.ledger.rotate_alias(alias, SELF, 0, key("unclaimed"), key("mine"), RELAY)
        world.clock.advance(3 * DAY)
        with refused("no alarm"):
            world.ledger.complete_replacement(alias, RELAY)
        with refused("kind"):
            world.ledger.replace_controller(alias, second, VOTERS[0], key("new"), RELAY)

    def test_the_patient_takes_over_from_a_guardian_whose_time_is_over(self, world: LedgerWorld) -> None:
        world.organisation(HOSPITAL)
        alias, mine = world.alias("guardian", GUARDIAN, world.now() + DAY), key("grown up")
        acting = (HOSPITAL, of(HOSPITAL))
        with refused("kind"):
            world.ledger.replace_controller(alias, acting, VOTERS[0], mine, RELAY)
        world.clock.advance(DAY)
        world.ledger.replace_controller(alias, acting, VOTERS[0], mine, RELAY)
        with refused("kind"):
            world.ledger.stop_replacement(alias, key("guardian"), RELAY)
        world.clock.advance(3 * DAY)
        world.ledger.complete_replacement(alias, RELAY)
        assert world.ledger.fresh_head().alias(alias) == AliasFacts(alias, mine.address, SELF, 0, 0)

    def test_two_officers_link_unclaimed_aliases_and_undo_it_for_good(self, world: LedgerWorld) -> None:
        commitment, nobody = digest("one person"), bytes(20)
        with refused("state"):
            world.ledger.unlink_unclaimed(commitment, VOTERS)
        with refused("officer"):
            world.ledger.link_unclaimed(commitment, [(VOTERS[0][0], STRANGER)])
        world.ledger.link_unclaimed(commitment, VOTERS[:1])
        with refused("voted"):
            world.ledger.link_unclaimed(commitment, VOTERS[:1])
        assert not world.ledger.fresh_head().linked(nobody, commitment)
        world.ledger.link_unclaimed(commitment, VOTERS[1:])
        assert world.ledger.fresh_head().linked(nobody, commitment)
        with refused("state"):
            world.ledger.link_unclaimed(commitment, VOTERS[2:])
        world.ledger.unlink_unclaimed(commitment, VOTERS)
        assert not world.ledger.fresh_head().linked(nobody, commitment)
        with refused("state"):
            world.ledger.unlink_unclaimed(commitment, VOTERS[2:])

    # Links -------------------------------------------------------------------------------------

    def test_a_link_is_made_once_and_undone_for_good(self, world: LedgerWorld) -> None:
        owner, commitment = key("link"), digest("both are one person")
        assert not world.ledger.fresh_head().linked(owner.address, commitment)
        world.ledger.link_aliases(owner, commitment, RELAY)
        assert world.ledger.fresh_head().linked(owner.address, commitment)
        assert not world.ledger.fresh_head().linked(STRANGER.address, commitment)
        with refused("state"):
            world.ledger.link_aliases(owner, commitment, RELAY)
        world.ledger.unlink_aliases(owner, commitment, RELAY)
        assert not world.ledger.fresh_head().linked(owner.address, commitment)
        for act in (world.ledger.link_aliases, world.ledger.unlink_aliases):
            with refused("state"):
                act(owner, commitment, RELAY)
        world.ledger.unlink_aliases(owner, digest("never made"), RELAY)
        with refused("state"):
            world.ledger.link_aliases(owner, digest("never made"), RELAY)

    # Consents ----------------------------------------------------------------------------------

    def test_a_consent_is_given_once_and_revoked_for_good(self, world: LedgerWorld) -> None:
        owner, commitment = key("consent"), digest("who may read what")
        start, end = world.now() - HOUR, world.now() + DAY
        assert world.ledger.fresh_head().consent(owner.address, commitment) is None
        given = world.ledger.give_consent(owner, commitment, start, end, RELAY)
        facts = ConsentFacts(start, end, given.time, 0)
        assert world.ledger.fresh_head().consent(owner.address, commitment) == facts
        with refused("used"):
            world.ledger.give_consent(owner, commitment, start, end, RELAY)
        world.clock.advance(HOUR)
        revoked = world.ledger.revoke_consent(owner, commitment, RELAY)
        view = world.ledger.fresh_head()
        assert view.consent(owner.address, commitment) == ConsentFacts(start, end, given.time, revoked.time)
        assert revoked.time - given.time >= HOUR
        assert world.ledger.at(given.number).consent(owner.address, commitment) == facts
        with refused("used"):
            world.ledger.give_consent(owner, commitment, start, end, RELAY)
        assert world.ledger.fresh_head().consent(key("other").address, commitment) is None

    def test_what_changed_since_a_block_is_named_and_nothing_else(self, world: LedgerWorld) -> None:
        owner, other, alias = key("consent"), key("other"), world.alias("patient")
        world.ledger.give_consent(other, digest("before"), 0, world.now() + DAY, RELAY)
        before = world.ledger.fresh_head()
        slot = owner.address + digest("commitment")
        assert before.changed(before.head.number) == frozenset()
        assert {alias, other.address + digest("before")} <= before.changed(0)
        given = world.ledger.give_consent(owner, digest("commitment"), 0, world.now() + DAY, RELAY)
        world.ledger.rotate_alias(alias, SELF, 0, key("patient"), key("next"), RELAY)
        view = world.ledger.fresh_head()
        assert view.changed(before.head.number) == {slot, alias}
        assert view.changed(given.number) == {alias}
        assert world.ledger.at(given.number).changed(before.head.number) == {slot}
        world.ledger.revoke_consent(owner, digest("commitment"), RELAY)
        assert world.ledger.fresh_head().changed(view.head.number) == {slot}

    def test_revoking_again_is_harmless(self, world: LedgerWorld) -> None:
        owner, commitment = key("consent"), digest("commitment")
        world.ledger.give_consent(owner, commitment, 0, world.now() + DAY, RELAY)
        world.ledger.revoke_consent(owner, commitment, RELAY)
        facts = world.ledger.fresh_head().consent(owner.address, commitment)
        world.clock.advance(HOUR)
        world.ledger.revoke_consent(owner, commitment, RELAY)
        assert world.ledger.fresh_head().consent(owner.address, commitment) == facts

    def test_revoking_an_unknown_consent_burns_it(self, world: LedgerWorld) -> None:
        owner, commitment = key("consent"), digest("commitment")
        burnt = ConsentFacts(0, 0, 0, world.ledger.revoke_consent(owner, commitment, RELAY).time)
        assert world.ledger.fresh_head().consent(owner.address, commitment) == burnt
        with refused("used"):
            world.ledger.give_consent(owner, commitment, 0, world.now() + DAY, RELAY)

    def test_consents_and_links_are_found_by_their_owner_whatever_became_of_them(
        self, world: LedgerWorld
    ) -> None:
        owner, now = key("one-time"), world.clock.now()
        before = world.ledger.fresh_head()
        world.ledger.give_consent(owner, digest("first"), now, now + DAY, RELAY)
        world.ledger.revoke_consent(owner, digest("burnt"), RELAY)
        world.ledger.revoke_consent(owner, digest("first"), RELAY)
        world.ledger.link_aliases(owner, digest("link"), RELAY)
        world.ledger.unlink_aliases(owner, digest("link"), RELAY)
        view = world.ledger.fresh_head()
        assert view.filed_under(owner.address) == (digest("first"), digest("burnt"), digest("link"))
        assert before.filed_under(owner.address) == view.filed_under(STRANGER.address) == ()

    def test_aliases_are_found_by_who_controls_or_controlled_them(self, world: LedgerWorld) -> None:
        first, second, names = key("first"), key("second"), [digest("one"), digest("two")]
        for name in names:
            world.ledger.open_alias(name, first, SELF, 0, 0, None, RELAY)
        before = world.ledger.fresh_head()
        world.ledger.rotate_alias(names[0], SELF, 0, first, second, RELAY)
        view = world.ledger.fresh_head()
        assert view.aliases_of(first.address) == before.aliases_of(first.address) == tuple(names)
        assert (before.aliases_of(second.address), view.aliases_of(second.address)) == ((), (names[0],))
        assert view.aliases_of(STRANGER.address) == ()
        world.ledger.rotate_alias(names[0], SELF, 0, second, first, RELAY)
        assert world.ledger.fresh_head().aliases_of(first.address) == tuple(names)

    @pytest.mark.still_clock
    def test_a_consent_covers_some_time_to_come(self, world: LedgerWorld) -> None:
        owner, now = key("consent"), world.now()
        for start, end in ((now, now), (now + 2, now + 1), (now - 2, now), (0, 0)):
            with refused("window"):
                world.ledger.give_consent(owner, digest("c"), start, end, RELAY)
        world.ledger.give_consent(owner, digest("c"), now - 2, now + 1, RELAY)
