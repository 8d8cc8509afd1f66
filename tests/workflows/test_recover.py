"""An agent that lost its books is made again from the 24 words: it grants, revokes, reads and audits as before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.domain.errors import AccessRefused, ActRefused, NotEnoughCustodians, PatientNotFound
from careledger.formats.patients import Envelope
from careledger.formats.signed import sign
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import Holder
from careledger.workflows.audit import audit, known_claims
from careledger.workflows.board import post_package
from careledger.workflows.claim import claim
from careledger.workflows.custody import epoch_chain
from careledger.workflows.epochs import escrow_named, own_statement
from careledger.workflows.grant import STANDS, Granted, certificate_of, given_consents
from careledger.workflows.link import link, unlink
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.order import RESTRICT, order
from careledger.workflows.own_copies import keep_copy
from careledger.workflows.recover import Recovered, end_undescribed, recover
from careledger.workflows.revoke import revoke
from careledger.workflows.rotate_keys import rotate
from careledger.workflows.tend import tend
from careledger.workflows.turn_epochs import name_for_emergencies
from crashing import Trial, crash_everywhere, crash_here_and_there, die
from world import DAY, DIAGNOSIS, GUARDED, PRESCRIPTION, World, condition, texts, version

ONE = (DIAGNOSIS,)


def claimed(
    world: World, phrase: Phrase, compartments: tuple[object, ...] = (DIAGNOSIS, PRESCRIPTION)
) -> Holder:
    """A patient who claimed a record with one diagnosis, with these words."""
    holder = world.patient(compartments=compartments)  # type: ignore[arg-type]
    world.put(world.writer(), holder.alias, condition(world.doctor))
    return claim(world.network, world.hospital, holder.alias, phrase, MemoryBooks()).holder


def again(world: World, phrase: Phrase) -> Recovered:
    """The books are lost; the words are typed into a new device and the agent tends, as at every unlocking."""
    [made] = recover(world.network, phrase, MemoryBooks())
    tend(world.network, made.holder)
    return made


def reported(words: str) -> NewVersion:
    """What the patient says of themselves."""
    return version({"resourceType": "Condition", "code": {"text": words}}, source="patient-reported")


def own_note(world: World, holder: Holder, words: str) -> None:
    world.put(world.own_writer(holder), holder.alias, reported(words))


def reads(world: World, alias: bytes) -> list[str]:
    """What the outsider reads by consent; empty if refused."""
    try:
        return texts(world.read_by_consent(world.outsider, alias))
    except AccessRefused:
        return []


def test_words_bring_back_an_agent_that_reads_grants_revokes_and_audits(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    first, second = world.grant(mine, world.outsider), world.grant(mine, world.doctor, seconds=7 * DAY)
    made = again(world, phrase).holder
    assert made.alias == mine.alias
    assert own_statement(made) == own_statement(mine)
    assert texts(world.read_own(made)) == ["asthma"]
    assert [each.state for each in given_consents(made)] == [STANDS, STANDS]
    revoke(world.network, made, first.owner)
    assert reads(world, mine.alias) == []
    assert texts(world.read_by_consent(world.doctor, mine.alias)) == ["asthma"]
    third = world.grant(made, world.outsider)
    assert len({first.owner, second.owner, third.owner}) == 3
    assert reads(world, mine.alias) == ["asthma"]
    found = audit(world.network, made, known_claims(made))
    assert found.complete
    assert {each.claim for each in found.logs} == {0, 1}
    assert {each.reader for each in found.accesses} >= {world.outsider.number, world.doctor.number}


def test_what_was_deposited_after_a_recovery_is_read_by_those_whose_consent_stands(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    ended = world.grant(mine, world.doctor)
    world.grant(mine, world.outsider)
    revoke(world.network, mine, ended.owner)
    made = again(world, phrase).holder
    before = len(epoch_chain(world.network, world.statement(mine.alias), DIAGNOSIS.number))
    assert not tend(world.network, made).waits
    assert len(epoch_chain(world.network, world.statement(mine.alias), DIAGNOSIS.number)) == before
    own_note(world, made, "gout")
    assert reads(world, mine.alias) == ["asthma", "gout"]
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.doctor, mine.alias)


def test_recovering_onto_books_that_were_not_lost_changes_nothing(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    granted = world.grant(mine, world.outsider)
    revoke(world.network, mine, granted.owner)
    before = [each.encode() for each in given_consents(mine)]
    [made] = recover(world.network, phrase, mine.books)
    assert [each.encode() for each in given_consents(made.holder)] == before
    assert made.holder.state.next_consent > mine.fresh().state.next_consent - 1
    assert made.holder.state.claim == mine.state.claim


def test_no_one_time_key_is_used_twice_even_by_an_agent_that_starts_at_nought(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    owners = {world.grant(mine, world.outsider).owner for _ in range(3)}
    forgetful = mine.changed(next_consent=0)
    assert world.grant(forgetful, world.outsider).owner not in owners
    other = claimed(world, phrase)  # the same words for another alias
    assert world.grant(other, world.outsider).owner not in owners
    assert {each.holder.alias for each in recover(world.network, phrase, MemoryBooks())} == {
        mine.alias, other.alias,
    }  # fmt: skip


def test_a_consent_of_which_nothing_tells_is_named_and_can_be_ended(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    world.grant(mine, world.outsider)
    counter, now = mine.take_counter(), world.clock.now()
    key, commitment = mine.consent_key(counter), b"\7" * 32
    world.ledger.give_consent(key, commitment, now, now + DAY, world.network.relay)
    made = again(world, phrase)
    [found] = made.undescribed
    assert (found.counter, found.commitment, found.end) == (counter, commitment, now + DAY)
    end_undescribed(world.network, made.holder, found)
    facts = world.ledger.fresh_head().consent(key.address, commitment)
    assert facts is not None
    assert facts.revoked_at
    own_note(world, made.holder, "gout")
    assert reads(world, mine.alias) == ["asthma", "gout"]
    assert again(world, phrase).undescribed == ()


def test_other_words_and_words_whose_claim_was_taken_over_bring_nothing_back(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    with pytest.raises(PatientNotFound):
        recover(world.network, Phrase.random(), MemoryBooks())
    facts = world.ledger.fresh_head().alias(mine.alias)
    assert facts is not None
    stranger = Phrase.random().keys().controller_key(0, 0)
    world.ledger.rotate_alias(mine.alias, facts.kind, 0, mine.controller, stranger, world.network.relay)
    with pytest.raises(PatientNotFound):
        recover(world.network, phrase, MemoryBooks())


def test_too_few_custodians_bring_back_no_old_statement(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    gone = {number: world.links.pop(number) for number in own_statement(mine)[0].custodians[:2]}
    with pytest.raises(NotEnoughCustodians):
        recover(world.network, phrase, MemoryBooks())
    world.links.update(gone)
    assert texts(world.read_own(again(world, phrase).holder)) == ["asthma"]


def test_a_copy_that_a_stranger_posts_is_not_believed(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    theirs = world.claimed(compartments=ONE)
    given = world.grant(theirs, world.outsider).given
    before = world.board.since(0)[0]
    keep_copy(world.network, theirs, given)
    claims = replace(certificate_of(given), alias=mine.alias)
    about = replace(given, certificate=sign(claims, theirs.controller, world.ledger.deployment))
    forged = sign(about, theirs.controller, world.ledger.deployment)
    post_package(world.network, mine.sealing.public, Envelope(given.TYPE, forged, None))
    assert world.board.since(0)[0] == before + 2
    assert given_consents(again(world, phrase).holder) == []


def test_rotated_keys_are_found_and_consents_that_the_rotation_ended_stay_ended(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    kept, dropped = world.grant(mine, world.outsider), world.grant(mine, world.doctor)
    mine = rotate(world.network, mine, keep=lambda each: each.owner == kept.owner)
    made = again(world, phrase).holder
    assert made.state.generation == 1
    assert texts(world.read_own(made)) == ["asthma"]
    assert reads(world, mine.alias) == ["asthma"]
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.doctor, mine.alias)
    states = {certificate_of(each).owner: each.state for each in given_consents(made)}
    assert states[kept.owner] == STANDS
    assert states[dropped.owner] != STANDS
    assert audit(world.network, made, known_claims(made)).complete


def test_what_was_named_for_emergencies_stays_named(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase, (DIAGNOSIS, GUARDED))
    name_for_emergencies(world.network, mine, [GUARDED.number])
    made = again(world, phrase).holder
    granted = world.grant(made, world.outsider, (GUARDED,))
    revoke(world.network, made, granted.owner)
    newest, _ = epoch_chain(world.network, world.statement(mine.alias), GUARDED.number)[0]
    assert escrow_named(newest)


def test_a_link_can_be_undone_after_a_recovery_and_one_that_was_undone_stays_so(world: World) -> None:
    phrase = Phrase.random()
    mine, other = claimed(world, phrase), world.claimed(compartments=ONE)
    made = link(world.network, mine, other)
    unlink(world.network, again(world, phrase).holder, made)
    with pytest.raises(ActRefused):
        unlink(world.network, world.claimed(compartments=ONE), made)
    second = link(world.network, again(world, phrase).holder, other)
    assert second != made


def test_an_order_reaches_custodians_after_a_recovery(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    world.grant(mine, world.outsider)
    made = again(world, phrase).holder
    [record] = world.read_own(made).records
    order(world.network, made, RESTRICT, [record.handle], "wish")
    assert reads(world, mine.alias) == []


# Crashes -----------------------------------------------------------------------------------------


def test_a_recovery_that_crashed_anywhere_is_repeated(world: World) -> None:
    phrase = Phrase.random()
    mine = claimed(world, phrase)
    granted = world.grant(mine, world.outsider)

    def attempt(trial: Trial) -> Callable[[], None]:
        books = MemoryBooks()
        die(trial, lambda: recover(trial.network, phrase, trial.books(books)))

        def finish() -> None:
            [made] = recover(world.network, phrase, books)
            tend(world.network, made.holder)
            assert texts(world.read_own(made.holder)) == ["asthma"]
            assert reads(world, mine.alias) == ["asthma"]
            assert made.holder.state.next_consent > granted.given.counter + 1

        return finish

    assert crash_everywhere(world, attempt) >= 5


def test_a_rotation_that_crashed_with_the_books_lost_is_finished_by_the_recovery(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        phrase = Phrase.random()
        mine = claimed(world, phrase)
        granted = world.grant(mine, world.outsider)
        die(trial, lambda: rotate(trial.network, trial.holder(mine)))

        def finish() -> None:
            made = again(world, phrase).holder
            assert texts(world.read_own(made)) == ["asthma"]
            own_note(world, made, "gout")
            assert reads(world, mine.alias) in ([], ["asthma", "gout"])
            ended_anew(world, made, granted)
            assert reads(world, mine.alias) == []

        return finish

    assert crash_here_and_there(world, attempt, 3, 2, 2) >= 7


def ended_anew(world: World, holder: Holder, granted: Granted) -> None:
    """What the recovered agent knows of the consent it ends, whatever the crash left of it."""
    facts = world.ledger.fresh_head().consent(granted.owner, granted.commitment)
    assert facts is not None
    if not facts.revoked_at:
        revoke(world.network, holder, granted.owner)
