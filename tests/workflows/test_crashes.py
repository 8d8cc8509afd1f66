"""Effects of workflows fail before and after they persisted; repeating finishes: nothing is lost, nobody reads more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import AccessRefused, CareLedgerError, PatientNotFound
from careledger.domain.parties import ControllerKind, PartyId
from careledger.domain.records import Ground
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import Holder, load_holder
from careledger.workflows.chart import copies
from careledger.workflows.claim import claim
from careledger.workflows.deposit import PLAN, deposit
from careledger.workflows.due import Subject, noted
from careledger.workflows.erase import conclude, erase
from careledger.workflows.grant import STANDS, certificate_of, finish_grants, given_consents, grant
from careledger.workflows.order import repeat_orders
from careledger.workflows.register import kept_aliases
from careledger.workflows.revoke import revoke
from careledger.workflows.rotate_keys import rotate
from crashing import Trial, crash_everywhere, crash_here_and_there, die
from world import APPEND, DAY, DIAGNOSIS, VIEW, World, condition, texts

ONE = (DIAGNOSIS,)


def test_a_deposit_that_crashed_anywhere_is_there_once_after_it_was_repeated(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        holder = world.patient(compartments=ONE)
        made, statement = condition(world.doctor), world.statement(holder.alias)
        writer = world.writer()
        crashing = replace(writer, organisation=trial.organisation(writer.organisation))
        die(trial, lambda: deposit(trial.network, crashing, statement, [made]))

        def finish() -> None:
            deposit(world.network, writer, statement, [made])
            read = world.read_as_registrar(holder)
            assert texts(read) == ["asthma"]
            assert read.problems == ()
            assert len(copies(world.hospital, holder.alias)) == 1
            assert list(world.hospital.books.rows(PLAN)) == []
            told = [key for key in noted(world.hospital.books) if key[1:33] == holder.alias]
            assert [key[0] for key in told] == [Subject.DEPOSIT]

        return finish

    assert crash_everywhere(world, attempt) == 16


def test_a_grant_that_crashed_anywhere_is_given_once_and_read_with(world: World) -> None:
    mine = with_record(world)

    def attempt(trial: Trial) -> Callable[[], None]:
        before = len(given_consents(mine))
        now = world.clock.now()
        grantee = Grantee(GranteeKind.POST, world.outsider.number, PartyId(world.clinic.number))
        asked = (grantee, Scope(frozenset(ONE), frozenset({VIEW})), Purpose.TREAT, Window(now, now + DAY))
        die(trial, lambda: grant(trial.network, trial.holder(mine), *asked))

        def finish() -> None:
            if not finish_grants(world.network, mine) and len(given_consents(mine)) == before:
                grant(world.network, mine, *asked)
            given = given_consents(mine)
            assert len(given) == before + 1
            assert given[-1].state == STANDS
            assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
            revoke(world.network, mine, owner_of(mine))
            with pytest.raises(AccessRefused):
                world.read_by_consent(world.outsider, mine.alias)

        return finish

    assert crash_everywhere(world, attempt) == 6


def owner_of(holder: Holder) -> bytes:
    return certificate_of(given_consents(holder)[-1]).owner


def with_record(world: World) -> Holder:
    holder = world.patient(compartments=ONE)
    world.put(world.writer(), holder.alias, condition(world.doctor))
    return world.claim(holder).holder


def test_a_revocation_that_crashed_anywhere_ends_in_the_one_reading_nothing_and_the_other_everything(
    world: World,
) -> None:
    mine = with_record(world)
    world.grant(mine, world.doctor)

    def attempt(trial: Trial) -> Callable[[], None]:
        granted = world.grant(mine, world.outsider)
        assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
        die(trial, lambda: revoke(trial.network, trial.holder(mine), granted.owner))

        def finish() -> None:
            revoke(world.network, mine, granted.owner)
            with pytest.raises(AccessRefused):
                world.read_by_consent(world.outsider, mine.alias)
            assert texts(world.read_by_consent(world.doctor, mine.alias)) == ["asthma"]

        return finish

    assert crash_everywhere(world, attempt) == 8


def test_a_claim_that_crashed_anywhere_is_finished_with_the_same_phrase(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        holder = world.patient(compartments=ONE)
        world.put(world.writer(), holder.alias, condition(world.doctor))
        phrase, books = Phrase.random(), MemoryBooks()
        registrar = trial.organisation(world.hospital)
        die(trial, lambda: claim(trial.network, registrar, holder.alias, phrase, trial.books(books)))

        def finish() -> None:
            claimed = kind(world, holder.alias) is ControllerKind.SELF
            assert registrar_reads(world, holder) is not claimed
            mine = finished(world, holder, phrase, books)
            assert texts(world.read_own(mine)) == ["asthma"]
            assert not registrar_reads(world, holder)
            assert holder.alias not in kept_aliases(world.hospital)

        return finish

    assert crash_here_and_there(world, attempt, 4, 3, 2) >= 9


def finished(world: World, holder: Holder, phrase: Phrase, books: MemoryBooks) -> Holder:
    try:
        return claim(world.network, world.hospital, holder.alias, phrase, books).holder
    except PatientNotFound:  # the registrar has forgotten: nothing was left to do
        return load_holder(phrase, holder.alias, books)


def kind(world: World, alias: bytes) -> ControllerKind:
    facts = world.ledger.fresh_head().alias(alias)
    assert facts is not None
    return facts.kind


def registrar_reads(world: World, holder: Holder) -> bool:
    try:
        return texts(world.read_as_registrar(holder)) == ["asthma"]
    except CareLedgerError:
        return False


def test_an_erasure_that_crashed_anywhere_leaves_no_shares(world: World) -> None:
    mine = with_record(world)
    append = world.grant(mine, world.doctor, permissions=(APPEND,))
    writer = world.writer(ground=Ground.APPEND, granted=append)

    def attempt(trial: Trial) -> Callable[[], None]:
        world.put(writer, mine.alias, condition(world.doctor))
        record = world.read_own(mine).records[-1]
        die(trial, lambda: erase(trial.network, trial.holder(mine), [record], "wish"))

        def finish() -> None:
            repeat_orders(world.network, mine)
            erase(world.network, mine, [record], "wish")
            assert repeat_orders(world.network, mine) == 0
            assert record.handle not in {each.handle for each in world.read_own(mine).records}
            listed = world.statement(mine.alias).custodians
            view = world.ledger.fresh_head()
            assert conclude(view, record.found.leaf, listed, world.network.thresholds.opening).erased
            assert all(
                record.handle not in world.directories[each].rows.shares(mine.alias) for each in listed
            )
            assert record.handle in {copy.handle for copy in copies(world.hospital, mine.alias)}

        return finish

    assert crash_here_and_there(world, attempt, 3, 2, 2) >= 7


def test_a_rotation_that_crashed_anywhere_is_finished(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        mine = with_record(world)
        world.grant(mine, world.outsider)
        die(trial, lambda: rotate(trial.network, trial.holder(mine)))

        def finish() -> None:
            new = rotate(world.network, mine)
            assert texts(world.read_own(new)) == ["asthma"]
            assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
            with pytest.raises(CareLedgerError):
                world.read_own(mine)

        return finish

    assert crash_here_and_there(world, attempt, 3, 2, 2) >= 7
