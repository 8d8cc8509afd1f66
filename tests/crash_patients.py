"""Crashes of what patients and those who act for them do: links, keys, guardians, registrars, custodians, tending."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.domain.consents import Purpose, Scope, Window
from careledger.domain.errors import (
    AccessRefused,
    CareLedgerError,
    LedgerRefused,
    PatientNotFound,
    ProofRefused,
)
from careledger.domain.parties import ControllerKind
from careledger.sealing.phrase import Phrase
from careledger.workflows import death, guardian, link
from careledger.workflows.accesses import by_holder, by_registrar
from careledger.workflows.actors import Holder, load_holder
from careledger.workflows.audit import audit
from careledger.workflows.audit_file import completeness_file
from careledger.workflows.cosigning import checkpoint_all, cosign_all
from careledger.workflows.custody import epoch_chain
from careledger.workflows.end_registration import end_registration, leave
from careledger.workflows.epochs import (
    begin_epochs,
    escrowed,
    own_statement,
    publish_statement,
)
from careledger.workflows.grant import STANDS, given_consents, set_state
from careledger.workflows.received import epoch_keys, fetch_grants
from careledger.workflows.register import kept_holder
from careledger.workflows.replace_custodian import replace_custodian
from careledger.workflows.replace_holder import (
    begin_replacing_guardian,
    begin_replacing_registrar,
    complete_replacement,
    stop_replacement,
)
from careledger.workflows.request_access import ANSWERED, answer, answer_to, read_requests, request_access
from careledger.workflows.retrieve import retrieve
from careledger.workflows.revoke import revoke
from careledger.workflows.signed_consents import signed_consent, take_signed
from careledger.workflows.tend import tend
from careledger.workflows.turn_epochs import name_for_emergencies
from crashing import Attempt, Finish, Scenario, Trial, die, first_some_last
from world import DAY, DIAGNOSIS, GUARDED, VIEW, World, condition, texts

ONE = (DIAGNOSIS,)
YEAR = 365 * DAY


def controller_kind(world: World, alias: bytes) -> ControllerKind:
    facts = world.ledger.fresh_head().alias(alias)
    assert facts is not None
    return facts.kind


def with_record(world: World) -> Holder:
    holder = world.patient(compartments=ONE)
    world.put(world.writer(), holder.alias, condition(world.doctor))
    return holder


def publishes_again(world: World, holder: Holder) -> None:
    """The next statement is taken by all custodians: a crash left none of them with another one of this number."""
    before, _ = own_statement(holder)
    publish_statement(
        world.network, holder, before.custodians, before.custodian_seed, before.registrar, before.escrow
    )
    assert own_statement(holder)[0].number == before.number + 1
    for number in before.custodians:
        kept = world.directories[number].rows.statement(holder.alias)
        assert kept is not None
        assert kept.number == before.number + 1


# Links ---------------------------------------------------------------------------------------------


def linking(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        first, second = world.patient(compartments=()), world.patient(compartments=())
        first, second = taken_over(world, first), taken_over(world, second)
        crashing = trial.holder(first), trial.holder(second)

        def act(network: Any, one: Holder, other: Holder) -> None:
            link.unlink(network, one, link.link(network, one, other))

        die(trial, lambda: act(trial.network, *crashing))

        def finish() -> None:
            made = link.link(world.network, first, second)
            link.check_link(world.network, made)
            assert link.link(world.network, first, second) == made
            link.unlink(world.network, first, made)
            with pytest.raises(ProofRefused):
                link.check_link(world.network, made)

        return finish

    return attempt


def taken_over(world: World, holder: Holder) -> Holder:
    """Claimed at the desk, in the eyes of the ledger: all that a link asks of it."""
    mine = replace(holder, keys=Phrase.random().keys())
    facts = world.ledger.fresh_head().alias(holder.alias)
    assert facts is not None
    world.ledger.rotate_alias(
        holder.alias, ControllerKind.SELF, 0, holder.controller, mine.controller, world.network.relay
    )
    return replace(mine, books=MemoryBooks())


def linking_unclaimed(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        first, second = world.patient(compartments=()), world.patient(world.clinic, compartments=())
        registrars = world.hospital, world.clinic
        crashing = tuple(trial.organisation(each) for each in registrars)

        def act(network: Any, one: Holder, other: Holder, both: Any) -> None:
            made = link.link_unclaimed(network, one, other, world.officers)
            link.unlink_unclaimed(network, made, world.officers, both)

        die(trial, lambda: act(trial.network, trial.holder(first), trial.holder(second), crashing))

        def finish() -> None:
            made = link.link_unclaimed(world.network, first, second, world.officers)
            link.check_link(world.network, made)
            link.unlink_unclaimed(world.network, made, world.officers, registrars)
            with pytest.raises(ProofRefused):
                link.check_link(world.network, made)

        return finish

    return attempt


# Death, majority, who holds ------------------------------------------------------------------------


def deaths(world: World) -> Attempt:
    mine = world.claim(with_record(world)).holder

    def attempt(trial: Trial) -> Finish:
        die(
            trial,
            lambda: (
                death.record_death(trial.network, mine.alias, world.officers),
                death.withdraw_death(trial.network, mine.alias, world.officers),
            ),
        )

        def finish() -> None:
            death.record_death(world.network, mine.alias, world.officers)
            assert controller_kind(world, mine.alias) is ControllerKind.NOBODY
            death.withdraw_death(world.network, mine.alias, world.officers)
            assert texts(world.read_own(mine)) == ["asthma"]

        return finish

    return attempt


def guardians(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        holder, until = with_record(world), world.clock.now() + YEAR
        phrase, books = Phrase.random(), MemoryBooks()
        asked = (holder.alias, phrase)
        hospital = trial.organisation(world.hospital)
        die(
            trial,
            lambda: guardian.appoint_guardian(trial.network, hospital, *asked, trial.books(books), until),
        )

        def finish() -> None:
            mine = guardian.appoint_guardian(world.network, world.hospital, *asked, books, until).holder
            assert controller_kind(world, holder.alias) is ControllerKind.GUARDIAN
            assert texts(world.read_own(mine)) == ["asthma"]
            with pytest.raises(CareLedgerError):
                world.read_own(mine, (GUARDED,))
            with pytest.raises(PatientNotFound):
                kept_holder(world.hospital, holder.alias)
            publishes_again(world, mine)

        return finish

    return attempt


def majorities(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        holder, until = with_record(world), world.clock.now() + YEAR
        made = guardian.appoint_guardian(
            world.network, world.hospital, holder.alias, Phrase.random(), MemoryBooks(), until
        )
        world.clock.advance(YEAR)
        phrase, books = Phrase.random(), MemoryBooks()
        hospital, old = trial.organisation(world.hospital), trial.holder(made.holder)
        die(trial, lambda: guardian.come_of_age(trial.network, old, hospital, phrase, trial.books(books)))

        def finish() -> None:
            mine = grown_up(world, made.holder, phrase, books)
            assert texts(world.read_own(mine)) == ["asthma"]
            assert guardian.guarded_holder(world.hospital, holder.alias) is None
            with pytest.raises(CareLedgerError):
                world.read_own(made.holder)
            publishes_again(world, mine)

        return finish

    return attempt


def grown_up(world: World, old: Holder, phrase: Phrase, books: MemoryBooks) -> Holder:
    try:
        return guardian.come_of_age(world.network, old, world.hospital, phrase, books).holder
    except PatientNotFound:  # the registrar has forgotten: nothing was left to do
        return load_holder(phrase, old.alias, books)


def replacing_registrars(world: World) -> Attempt:
    officer = world.officers[0]

    def attempt(trial: Trial) -> Finish:
        holder = world.patient(compartments=ONE)
        clinic = trial.organisation(world.clinic)

        def act() -> None:
            begun = begin_replacing_registrar(trial.network, clinic, officer, holder.alias)
            world.clock.advance(3 * DAY)
            complete_replacement(trial.network, begun, clinic.number)

        die(trial, act)

        def finish() -> None:
            if registrar(world, holder.alias) != world.clinic.number:
                begin_replacing_registrar(world.network, world.clinic, officer, holder.alias)
            world.clock.advance(3 * DAY)
            mine = complete_replacement(
                world.network, kept_holder(world.clinic, holder.alias), world.clinic.number
            )
            world.put(world.writer(world.outsider), holder.alias, condition(world.outsider, "flu"))
            assert texts(world.read_as_registrar(mine, staff=world.outsider)) == ["flu"]
            publishes_again(world, mine)

        return finish

    return attempt


def registrar(world: World, alias: bytes) -> int:
    facts = world.ledger.fresh_head().alias(alias)
    assert facts is not None
    return facts.registrar


def replacing_guardians(world: World) -> Attempt:
    officer = world.officers[0]

    def attempt(trial: Trial) -> Finish:
        holder, until = world.patient(compartments=ONE), world.clock.now() + YEAR
        guardian.appoint_guardian(
            world.network, world.hospital, holder.alias, Phrase.random(), MemoryBooks(), until
        )
        world.clock.advance(YEAR)
        phrase, books = Phrase.random(), MemoryBooks()
        clinic, crashing = trial.organisation(world.clinic), trial.books(books)
        die(
            trial,
            lambda: begin_replacing_guardian(trial.network, clinic, officer, holder.alias, phrase, crashing),
        )

        def finish() -> None:
            begun = begin_replacing_guardian(
                world.network, world.clinic, officer, holder.alias, phrase, books
            )
            world.clock.advance(3 * DAY)
            grown = complete_replacement(world.network, begun, world.hospital.number)
            assert controller_kind(world, holder.alias) is ControllerKind.SELF
            assert texts(world.read_own(grown)) == []

        return finish

    return attempt


def stopping(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        holder = with_record(world)
        begun = begin_replacing_registrar(world.network, world.clinic, world.officers[0], holder.alias)
        die(trial, lambda: stop_replacement(trial.network, trial.holder(holder)))

        def finish() -> None:
            stop_replacement(world.network, holder)
            world.clock.advance(3 * DAY)
            with pytest.raises(LedgerRefused, match="no alarm"):
                complete_replacement(world.network, begun, world.clinic.number)
            assert texts(world.read_as_registrar(holder)) == ["asthma"]

        return finish

    return attempt


def leaving_registrars(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        mine = world.claim(with_record(world)).holder
        world.grant(mine, world.doctor)
        number = world.hospital.number

        def act(network: Any, holder: Holder, hospital: Any) -> None:
            leave(network, holder, number)
            end_registration(network, hospital, mine.alias)

        die(trial, lambda: act(trial.network, trial.holder(mine), trial.organisation(world.hospital)))

        def finish() -> None:
            leave(world.network, mine, number)
            tend(world.network, mine)
            end_registration(world.network, world.hospital, mine.alias)
            assert own_statement(mine)[0].registrar == 0
            assert texts(world.read_own(mine)) == ["asthma"]
            with pytest.raises(CareLedgerError):
                world.read_by_consent(world.doctor, mine.alias)
            publishes_again(world, mine)

        return finish

    return attempt


# Epochs, consents, requests ------------------------------------------------------------------------


def naming(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        mine = world.patient(compartments=(GUARDED,))
        statement = own_statement(mine)[0]
        die(
            trial,
            lambda: name_for_emergencies(trial.network, trial.holder(mine), [GUARDED.number]),
        )

        def finish() -> None:
            name_for_emergencies(world.network, mine, [GUARDED.number])
            assert escrowed(mine, statement, GUARDED.number)
            assert epoch_chain(world.network, statement, GUARDED.number)[0][0].escrow

        return finish

    return attempt


def tending(world: World) -> Attempt:
    """An agent dies while it tends: a prepared grant and an expired one."""
    mine = world.claim(with_record(world)).holder

    def attempt(trial: Trial) -> Finish:
        world.grant(mine, world.outsider, seconds=60)
        staying = world.grant(mine, world.doctor, seconds=5 * DAY)
        set_state(mine, given_consents(mine)[-1], "prepared")
        world.clock.advance(DAY + 120)
        die(trial, lambda: tend(trial.network, trial.holder(mine)))

        def finish() -> None:
            tend(world.network, mine)
            done = tend(world.network, mine)
            assert (done.granted, done.closed, done.waits) == (0, 0, False)
            assert [given.state == STANDS for given in given_consents(mine)[-2:]] == [False, True]
            assert texts(world.read_by_consent(world.doctor, mine.alias)) == ["asthma"]
            with pytest.raises(AccessRefused):
                world.read_by_consent(world.outsider, mine.alias)
            revoke(world.network, mine, staying.owner)

        return finish

    return attempt


def answering(world: World) -> Attempt:
    mine = world.claimed(compartments=ONE)
    wanted = Scope(frozenset(ONE), frozenset({VIEW}))

    def attempt(trial: Trial) -> Finish:
        now = world.clock.now()
        asked = (world.statement(mine.alias), wanted, Purpose.TREAT, Window(now, now + DAY), "opinion")
        sent = request_access(world.network, world.session(world.outsider), *asked)
        read_requests(world.network, mine)
        die(trial, lambda: answer(trial.network, trial.holder(mine), sent.id, "refused"))

        def finish() -> None:
            if sent.id in {each.id for each in read_requests(world.network, mine)}:
                answer(world.network, mine, sent.id, "refused")
            fetch_grants(world.network, world.clinic)
            assert answer_to(world.clinic, sent.id) == "refused"

        return finish

    return attempt


def fetching(world: World) -> Attempt:
    """The grantee's gateway dies while it takes a grant and an answer."""
    mine = world.claim(with_record(world)).holder
    wanted = Scope(frozenset(ONE), frozenset({VIEW}))

    def attempt(trial: Trial) -> Finish:
        now = world.clock.now()
        asked = (world.statement(mine.alias), wanted, Purpose.TREAT, Window(now, now + DAY), "opinion")
        sent = request_access(world.network, world.session(world.outsider), *asked)
        read_requests(world.network, mine)
        granted = world.grant(mine, world.outsider)
        answer(world.network, mine, sent.id, "granted")
        die(trial, lambda: fetch_grants(trial.network, trial.organisation(world.clinic)))

        def finish() -> None:
            assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
            assert answer_to(world.clinic, sent.id) == "granted"
            assert len([key for key, _ in world.clinic.books.rows(ANSWERED) if key == sent.id]) == 1
            revoke(world.network, mine, granted.owner)

        return finish

    return attempt


def taking_signed(world: World) -> Attempt:
    """The grantee's gateway dies while it takes a Consent with its package."""
    mine = world.claim(with_record(world)).holder

    def attempt(trial: Trial) -> Finish:
        granted = world.grant(mine, world.outsider)
        consent = signed_consent(world.network, mine, granted.given)
        die(trial, lambda: take_signed(trial.network, trial.organisation(world.clinic), consent))

        def finish() -> None:
            taken = take_signed(world.network, world.clinic, consent)
            assert epoch_keys(world.clinic, taken.received.certificate)
            assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
            revoke(world.network, mine, granted.owner)

        return finish

    return attempt


# Custodians and logs -------------------------------------------------------------------------------


def replacing_custodians(world: World) -> Attempt:
    if 6 not in world.directories:
        world.add_custodian(6)

    def attempt(trial: Trial) -> Finish:
        mine = world.patient(compartments=ONE)
        while 6 in own_statement(mine)[0].custodians:
            mine = world.patient(compartments=ONE)
        made = world.put(world.writer(), mine.alias, condition(world.doctor))
        lost = own_statement(mine)[0].custodians[0]
        own = by_registrar(world.network, world.session(), mine, own_statement(mine)[0], ())
        die(trial, lambda: replace_custodian(trial.network, trial.holder(mine), own, lost, 6))

        def finish() -> None:
            assert replace_custodian(world.network, mine, own, lost, 6).retired
            assert world.directories[lost].rows.shares(mine.alias) == {}
            assert set(made.handles.values()) <= set(world.directories[6].rows.shares(mine.alias))
            read = world.read_as_registrar(mine)
            assert texts(read) == ["asthma"]
            assert 1 in read.records[0].found.shares
            publishes_again(world, mine)

        return finish

    return attempt


def checkpoints(world: World) -> Attempt:
    holder = with_record(world)

    def attempt(trial: Trial) -> Finish:
        world.read_as_registrar(holder)
        die(trial, lambda: (checkpoint_all(trial.network), cosign_all(trial.network)))

        def finish() -> None:
            assert checkpoint_all(world.network) == {}
            assert cosign_all(world.network) == {}
            view = world.ledger.fresh_head()
            facts = [view.checkpoint(number) for number in world.links]
            assert all(each is not None and len(each.cosigners) == len(world.links) - 1 for each in facts)

        return finish

    return attempt


def audits(world: World) -> Attempt:
    mine = world.claim(with_record(world)).holder

    def attempt(trial: Trial) -> Finish:
        world.read_own(mine)

        def act(network: Any, holder: Holder) -> list[bytes]:
            found = audit(network, holder)
            return [completeness_file(network, holder, log) for log in found.logs if log.proof]

        die(trial, lambda: act(trial.network, trial.holder(mine)))

        def finish() -> None:
            assert audit(world.network, mine).problems == ()
            assert all(act(world.network, mine))

        return finish

    return attempt


def reading(world: World) -> Attempt:
    mine = world.claim(with_record(world)).holder

    def attempt(trial: Trial) -> Finish:
        statement = own_statement(mine)[0]
        own = by_holder(world.network, mine, statement, ONE)
        die(trial, lambda: retrieve(trial.network, own, statement, ONE))

        def finish() -> None:
            assert texts(world.read_own(mine)) == ["asthma"]
            found = audit(world.network, mine)
            # Whoever asked died before it had asked all whom the request names: that much the logs show.
            assert all("which names it" in why for _, why in found.problems)
            assert all(log.completeness for log in found.logs)

        return finish

    return attempt


def new_epochs(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        mine = with_record(world)
        die(trial, lambda: begin_epochs(trial.network, trial.holder(mine), [DIAGNOSIS.number]))

        def finish() -> None:
            begin_epochs(world.network, mine, [DIAGNOSIS.number])
            world.put(world.writer(), mine.alias, condition(world.doctor, "flu"))
            assert texts(world.read_as_registrar(mine)) == ["asthma", "flu"]

        return finish

    return attempt


SCENARIOS = {
    "a patient links two aliases and undoes it": Scenario(("link.link", "link.unlink"), linking, 6),
    "unclaimed aliases are linked and unlinked": Scenario(
        ("link.link_unclaimed", "link.unlink_unclaimed"), linking_unclaimed, 6
    ),
    "a death is recorded and withdrawn": Scenario(("death.record_death", "death.withdraw_death"), deaths, 2),
    "a guardian is appointed": Scenario(
        ("guardian.appoint_guardian",), guardians, 100, first_some_last(3, 2, 2)
    ),
    "a minor comes of age": Scenario(("guardian.come_of_age",), majorities, 100, first_some_last(2, 1, 2)),
    "a registrar is replaced": Scenario(
        (
            "replace_holder.begin_replacing_registrar",
            "replace_holder.complete_replacement",
            "epochs.restart_epoch",
        ),
        replacing_registrars,
        100,
        first_some_last(5, 1, 2),
    ),
    "a guardian is replaced": Scenario(
        ("replace_holder.begin_replacing_guardian",), replacing_guardians, 3, first_some_last(1, 1, 1)
    ),
    "a replacement is stopped": Scenario(("replace_holder.stop_replacement",), stopping, 2),
    "a registration ends": Scenario(
        ("end_registration.leave", "end_registration.end_registration"),
        leaving_registrars,
        17,
        first_some_last(2, 2, 3),
    ),
    "a restricted category is named for emergencies": Scenario(
        ("turn_epochs.name_for_emergencies",), naming, 6
    ),
    "new epochs are begun": Scenario(("epochs.begin_epochs",), new_epochs, 5),
    "an unlocked agent tends": Scenario(
        ("tend.tend", "revoke.renew_expired", "grant.finish_grants", "tell_moved.tell_daily"),
        tending,
        20,
        first_some_last(3, 3, 2),
    ),
    "a request is answered": Scenario(("request_access.answer",), answering, 2),
    "a grant and an answer are fetched": Scenario(
        ("received.fetch_grants", "request_access.take_answer"), fetching, 4
    ),
    "a Consent is taken with its package": Scenario(("signed_consents.take_signed",), taking_signed, 2),
    "a custodian is replaced": Scenario(
        ("replace_custodian.replace_custodian", "repair.repair", "repair.retire"),
        replacing_custodians,
        23,
        first_some_last(2, 5, 3),
        alone=True,
    ),
    "logs are anchored and cosigned": Scenario(
        ("cosigning.checkpoint_all", "cosigning.cosign_all", "cosigning.cosign"),
        checkpoints,
        30,
        first_some_last(5, 4, 3),
    ),
    "an audit with its files": Scenario(("audit.audit", "audit_file.completeness_file"), audits, 5),
    "records are read": Scenario(("retrieve.retrieve", "asking.ask"), reading, 5),
}
