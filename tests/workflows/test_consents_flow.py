"""Granting access, using it, ending it: by sealed packages on the board and slots on the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import (
    AccessRefused,
    CannotExpress,
    LedgerStale,
    PackageTooLarge,
    PartyNotFound,
    PartyNotVerified,
)
from careledger.domain.parties import PartyId
from careledger.formats.digests import uint
from careledger.formats.patients import EpochKey, ReceivedGrant, RecordKey
from careledger.sealing.keys import SealingKey, Secret
from careledger.workflows.actors import Holder, Staff
from careledger.workflows.custody import epoch_chain
from careledger.workflows.disclose import disclose
from careledger.workflows.epochs import own_statement
from careledger.workflows.grant import (
    GIVEN,
    LIVE,
    REVOKED,
    Granted,
    certificate_of,
    finish_grants,
    given_consents,
    grant,
    live_consents,
)
from careledger.workflows.received import (
    BY_GRANTEE,
    INDEX,
    epoch_keys,
    fetch_grants,
    grantees_of,
    grants_to,
    live_grant,
)
from careledger.workflows.revoke import find_given, renew_expired, revoke
from world import APPEND, DAY, DIAGNOSIS, GENERAL, VIEW, World, condition, texts, version

ONE = (DIAGNOSIS,)
SCOPE = Scope(frozenset(ONE), frozenset({VIEW}))


def with_record(world: World) -> Holder:
    """A patient who claimed a record with one diagnosis."""
    holder = world.patient(compartments=ONE)
    world.put(world.writer(), holder.alias, condition(world.doctor))
    return world.claim(holder).holder


def window(world: World, seconds: int = DAY) -> Window:
    return Window(world.clock.now(), world.clock.now() + seconds)


def organisation_grantee(number: int) -> Grantee:
    return Grantee(GranteeKind.ORGANISATION, number, PartyId(number))


def own_note(world: World, mine: Holder, text: str) -> None:
    """The patient puts a record in."""
    made = version({"resourceType": "Condition", "code": {"text": text}}, source="patient-reported")
    world.put(world.own_writer(mine), mine.alias, made)


# Finding what was granted ------------------------------------------------------------------------


def opened(world: World, monkeypatch: pytest.MonkeyPatch, holder: Holder) -> tuple[int, list[str]]:
    """How many grants and epoch keys are opened for a look at that patient, and what is read then."""
    counts = list[bytes]()
    with monkeypatch.context() as patched:
        for kind in (ReceivedGrant, EpochKey):
            patched.setattr(kind, "decode", counted(kind.decode, counts))
        received = live_grant(world.network, world.outsider, holder.alias, "TREAT")
        epoch_keys(world.clinic, received.certificate)
    return len(counts), texts(world.read_by_consent(world.outsider, holder.alias))


def counted(decode: Callable[[bytes], Any], counts: list[bytes]) -> Callable[[bytes], Any]:
    def counting(data: bytes) -> Any:
        counts.append(data)
        return decode(data)

    return counting


def test_a_patients_grants_are_found_without_opening_those_of_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, *others = (with_record(world) for _ in range(4))
    for each in (mine, *others):
        world.grant(each, world.outsider)
    fetch_grants(world.network, world.clinic)
    assert opened(world, monkeypatch, mine) == (2, ["asthma"])


def test_grants_from_before_they_were_filed_by_patient_are_found_and_filed_with_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = with_record(world), with_record(world)
    books = world.clinic.books
    world.grant(early, world.outsider)
    fetch_grants(world.network, world.clinic)
    books.drop(INDEX, [key for key, _ in books.rows(INDEX)])
    assert opened(world, monkeypatch, early)[1] == ["asthma"]
    world.grant(late, world.outsider)
    fetch_grants(world.network, world.clinic)
    for each in (early, late):
        assert opened(world, monkeypatch, each) == (2, ["asthma"])


def test_the_grants_that_name_a_post_are_found_without_opening_those_of_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It, its organisation, and the teams that it is in, above it too; before they are filed so, by opening all."""
    clinic, controller, colleague = world.clinic, world.clinic.controller, world.staff(world.clinic, 62)
    for team, above in ((6, 0), (7, 6), (8, 0)):
        world.ledger.create_team(team, clinic.number, above, controller)
    world.ledger.join_team(world.outsider.number, 7, controller)
    teams = [Grantee(GranteeKind.TEAM, each, PartyId(clinic.number)) for each in (6, 7, 8)]
    granted = [
        grant(world.network, with_record(world), to, SCOPE, Purpose.TREAT, window(world)).commitment
        for to in (*teams, organisation_grantee(clinic.number))
    ]
    for post in (world.outsider, colleague, colleague):
        granted.append(world.grant(with_record(world), post).commitment)
    fetch_grants(world.network, clinic)
    view, decode, opened = world.ledger.fresh_head(), ReceivedGrant.decode, list[bytes]()

    def opening(data: bytes) -> ReceivedGrant:
        opened.append(data)
        return decode(data)

    monkeypatch.setattr(ReceivedGrant, "decode", opening)

    def found(post: Staff) -> list[bytes]:
        opened.clear()
        return [each.certificate.commitment for each in grants_to(clinic, grantees_of(view, post))]

    mine, theirs = {granted[at] for at in (0, 1, 3, 4)}, {granted[at] for at in (3, 5, 6)}
    for post, expected in ((world.outsider, mine), (colleague, theirs)):
        assert set(found(post)) == expected
        assert len(opened) == len(expected)
    ordered = found(world.outsider)
    clinic.books.drop(INDEX, [BY_GRANTEE])
    assert found(world.outsider) == ordered
    assert len(opened) == len(granted)
    clinic.books.drop(INDEX, [key for key, _ in clinic.books.rows(INDEX)])
    granted.append(world.grant(with_record(world), world.outsider).commitment)
    fetch_grants(world.network, clinic)
    assert set(found(world.outsider)) == {*mine, granted[-1]}
    assert len(opened) == len(mine) + 1


# Granting ----------------------------------------------------------------------------------------


def test_a_post_reads_in_its_window_and_a_colleague_or_a_second_later_does_not(world: World) -> None:
    mine = with_record(world)
    world.grant(mine, world.outsider, seconds=3600)
    colleague = world.staff(world.clinic, 62)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    with pytest.raises(AccessRefused, match="other-grantee"):
        world.read_by_consent(colleague, mine.alias)
    world.clock.advance(3599)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    world.clock.advance(1)
    with pytest.raises(AccessRefused, match="consent-expired"):
        world.read_by_consent(world.outsider, mine.alias)


def test_a_consent_to_an_organisation_is_used_by_any_of_its_posts_and_by_no_other(world: World) -> None:
    mine = with_record(world)
    grantee = organisation_grantee(world.clinic.number)
    grant(world.network, mine, grantee, SCOPE, Purpose.TREAT, window(world))
    for post in (world.outsider, world.staff(world.clinic, 62)):
        assert texts(world.read_by_consent(post, mine.alias)) == ["asthma"]
    with pytest.raises(AccessRefused, match="no-consent"):
        world.read_by_consent(world.pharmacist, mine.alias)


def test_each_consent_has_a_one_time_key_and_salt_of_its_own(world: World) -> None:
    mine = with_record(world)
    made = [world.grant(mine, world.outsider) for _ in range(3)]
    made.append(world.grant(mine.fresh(), world.doctor))
    assert len({each.owner for each in made}) == len({each.commitment for each in made}) == 4
    assert len({each.certificate.salt for each in made}) == 4
    assert mine.controller.address not in {each.owner for each in made}
    assert [given.counter for given in given_consents(mine)] == [0, 1, 2, 3]


def test_two_unclaimed_patients_consents_do_not_touch_each_other(world: World) -> None:
    first, second = world.patient(compartments=ONE), world.patient(compartments=ONE)
    given = [world.grant(each, world.outsider, seconds=20 * DAY) for each in (first, second)]
    assert [len(given_consents(each)) for each in (first, second)] == [1, 1]
    revoke(world.network, first, given[0].owner)
    with pytest.raises(CannotExpress):
        revoke(world.network, first, given[1].owner)
    assert [each.state for each in given_consents(second)] == ["given"]


def test_single_records_need_their_keys_and_more_than_a_package_holds_is_not_given(world: World) -> None:
    mine = with_record(world)
    [record] = world.read_own(mine).records
    scope = replace(SCOPE, handles=frozenset({record.handle}))
    grantee = organisation_grantee(world.clinic.number)

    def give(scope: Scope, *keys: RecordKey) -> Granted:
        return grant(world.network, mine, grantee, scope, Purpose.TREAT, window(world), keys)

    with pytest.raises(CannotExpress, match="need their record keys"):
        give(scope)
    key = RecordKey(record.handle, DIAGNOSIS.number, record.secret.reveal())
    with pytest.raises(CannotExpress, match="not named"):
        give(replace(scope, compartments=frozenset({GENERAL})), key)
    many = [RecordKey(number.to_bytes(32, "big"), DIAGNOSIS.number, bytes(32)) for number in range(900)]
    with pytest.raises(PackageTooLarge):
        give(replace(scope, handles=frozenset(each.handle for each in many)), *many)
    assert given_consents(mine) == []
    with pytest.raises(CannotExpress):
        disclose(world.network, mine, grantee, [], Purpose.TREAT, window(world))
    give(scope, key)
    assert finish_grants(world.network, mine) == 0
    assert texts(world.read_by_consent(world.outsider, mine.alias, handles=[record.handle])) == ["asthma"]


def test_a_disclosed_version_is_read_and_neither_others_nor_the_next_version(world: World) -> None:
    mine = with_record(world)
    own_note(world, mine, "gout")
    shown, hidden = world.read_own(mine).records
    grantee = organisation_grantee(world.clinic.number)
    made = disclose(world.network, mine, grantee, [shown], Purpose.TREAT, window(world))
    read = world.read_by_consent(world.outsider, mine.alias, handles=[shown.handle])
    assert texts(read) == ["asthma"]
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.outsider, mine.alias, handles=[hidden.handle])
    assert epoch_keys(world.clinic, made.certificate) == []
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]


def test_a_consent_to_append_gives_no_key(world: World) -> None:
    mine = with_record(world)
    made = world.grant(mine, world.outsider, permissions=(APPEND,))
    fetch_grants(world.network, world.clinic)
    assert epoch_keys(world.clinic, made.certificate) == []
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.outsider, mine.alias)
    viewing = world.grant(mine, world.outsider)
    fetch_grants(world.network, world.clinic)
    assert [key.compartment for key in epoch_keys(world.clinic, viewing.certificate)] == [DIAGNOSIS.number]


def test_nobody_unregistered_or_suspended_is_granted_anything(world: World) -> None:
    mine = with_record(world)
    with pytest.raises(PartyNotFound):
        grant(world.network, mine, organisation_grantee(4711), SCOPE, Purpose.TREAT, window(world))
    pending = world.organisation(80, verify=False)
    with pytest.raises(PartyNotVerified):
        grant(world.network, mine, organisation_grantee(pending.number), SCOPE, Purpose.TREAT, window(world))
    assert given_consents(mine) == []


def test_what_a_crash_left_prepared_is_closed_when_its_time_is_over(world: World) -> None:
    mine = with_record(world)

    class Board:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.board, name)

        def post(self, package: bytes) -> None:
            raise LedgerStale()

    network = replace(world.network, board=Board())
    grantee = organisation_grantee(world.clinic.number)
    for seconds in (3600, DAY):
        with pytest.raises(LedgerStale):
            grant(network, mine, grantee, SCOPE, Purpose.TREAT, window(world, seconds))
    assert [each.state for each in given_consents(mine)] == ["prepared", "prepared"]
    world.clock.advance(3600)
    assert finish_grants(world.network, mine) == 1
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    assert renew_expired(world.network, mine) == 1


# Ending ------------------------------------------------------------------------------------------


def test_who_is_revoked_gets_no_new_key_and_who_stays_reads_on(world: World) -> None:
    mine = with_record(world)
    ended = world.grant(mine, world.outsider)
    world.grant(mine, world.doctor)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    revoke(world.network, mine, ended.owner)
    own_note(world, mine, "gout")
    assert texts(world.read_by_consent(world.doctor, mine.alias)) == ["asthma", "gout"]
    with pytest.raises(AccessRefused, match="consent-revoked"):
        world.read_by_consent(world.outsider, mine.alias)
    newest, _ = epoch_chain(world.network, world.statement(mine.alias), DIAGNOSIS.number)[0]
    held = {SealingKey(Secret(key.seed)).public for key in epoch_keys(world.clinic, ended.certificate)}
    assert held
    assert newest.public_key not in held


def test_one_who_never_gave_a_consent_cannot_end_it(world: World) -> None:
    mine, other = with_record(world), world.claimed(compartments=ONE)
    made = world.grant(mine, world.outsider)
    with pytest.raises(CannotExpress):
        revoke(world.network, other, made.owner)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]


def test_a_suspended_grantee_does_not_keep_anothers_consent_alive(world: World) -> None:
    mine = with_record(world)
    world.grant(mine, world.outsider)
    ended = world.grant(mine, world.doctor)
    officer = world.officers[0]
    world.ledger.suspend(world.clinic.number, officer.key, officer.post)
    revoke(world.network, mine, ended.owner)
    with pytest.raises(AccessRefused, match="consent-revoked"):
        world.read_by_consent(world.doctor, mine.alias)
    own_note(world, mine, "gout")
    assert finish_grants(world.network, mine) == 0
    world.ledger.reinstate(world.clinic.number, officer.key, officer.post)
    assert finish_grants(world.network, mine) == 1
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma", "gout"]


def test_a_consent_ends_at_once_while_custodians_are_away_and_the_epoch_turns_later(world: World) -> None:
    mine = with_record(world)
    made = world.grant(mine, world.outsider)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    listed = own_statement(mine)[0].custodians
    gone = {number: world.links.pop(number) for number in listed[3:]}
    revoke(world.network, mine, made.owner)
    with pytest.raises(AccessRefused, match="consent-revoked"):
        world.read_by_consent(world.outsider, mine.alias)
    world.links.update(gone)
    before = len(epoch_chain(world.network, world.statement(mine.alias), DIAGNOSIS.number))
    assert renew_expired(world.network, mine) == 1
    assert renew_expired(world.network, mine) == 0
    assert len(epoch_chain(world.network, world.statement(mine.alias), DIAGNOSIS.number)) == before + 1


def test_revoking_looks_through_no_consent_that_has_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = with_record(world)
    standing = world.grant(mine, world.doctor)
    ended = [world.grant(mine, world.outsider).owner for _ in range(3)]
    for owner in ended:
        revoke(world.network, mine, owner)
    last, looked = world.grant(mine, world.outsider), list[str]()
    whole, one = mine.books.rows, mine.books.get

    def rows(kind: str, prefix: bytes = b"") -> Iterable[tuple[bytes, bytes]]:
        looked.append(kind)
        return whole(kind, prefix)

    def get(kind: str, key: bytes) -> bytes | None:
        looked.extend([kind] if kind == GIVEN and key[-1] in (1, 2, 3) else [])
        return one(kind, key)

    monkeypatch.setattr(mine.books, "rows", rows)
    monkeypatch.setattr(mine.books, "get", get)
    revoke(world.network, mine, last.owner)
    assert GIVEN not in looked
    assert [certificate_of(each).owner for each in live_consents(mine)] == [standing.owner]
    assert len(given_consents(mine)) == 5
    assert find_given(mine, ended[0]).state == REVOKED
    with pytest.raises(CannotExpress):
        find_given(mine, bytes(20))


def test_consents_are_found_in_books_that_do_not_say_which_live_or_name_too_many(world: World) -> None:
    mine = with_record(world)
    owners = [world.grant(mine, world.outsider).owner for _ in range(2)]
    revoke(world.network, mine, owners[0])
    named = mine.books.get(LIVE, mine.alias)
    mine.books.put(LIVE, [(mine.alias, uint(0) + uint(1) + uint(7))])  # one ended, one never given
    assert [each.counter for each in live_consents(mine)] == [1]
    mine.books.drop(LIVE, [mine.alias])
    assert [each.counter for each in live_consents(mine)] == [1]
    revoke(world.network, mine, owners[1])
    assert (named, mine.books.get(LIVE, mine.alias)) == (uint(1), b"")


def test_after_an_expiry_the_agent_turns_the_epoch_once_and_those_who_stay_read_on(world: World) -> None:
    mine = with_record(world)
    short = world.grant(mine, world.outsider, seconds=3600)
    world.grant(mine, world.doctor, seconds=7 * DAY)
    assert renew_expired(world.network, mine) == 0
    world.clock.advance(3600)
    assert renew_expired(world.network, mine) == 1
    assert renew_expired(world.network, mine) == 0
    own_note(world, mine, "gout")
    assert texts(world.read_by_consent(world.doctor, mine.alias)) == ["asthma", "gout"]
    fetch_grants(world.network, world.clinic)
    newest, _ = epoch_chain(world.network, world.statement(mine.alias), DIAGNOSIS.number)[0]
    assert newest.number not in {key.number for key in epoch_keys(world.clinic, short.certificate)}
    with pytest.raises(AccessRefused, match="consent-expired"):
        world.read_by_consent(world.outsider, mine.alias)


def live(world: World, holder: Holder, purpose: str = "TREAT", **asked: Any) -> bytes:
    """The owner of the consent by which the outsider would act now."""
    fetch_grants(world.network, world.clinic)
    return live_grant(world.network, world.outsider, holder.alias, purpose, **asked).certificate.owner


def test_the_newest_grant_that_stands_is_used_and_an_older_one_once_it_is_over(world: World) -> None:
    mine = with_record(world)
    first = world.grant(mine, world.outsider)
    world.clock.advance(60)
    second = world.grant(mine, world.outsider, seconds=3600)
    assert live(world, mine) == second.owner
    world.clock.advance(3600)
    assert live(world, mine) == first.owner
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    revoke(world.network, mine, first.owner)
    assert live(world, mine) == second.owner
    with pytest.raises(AccessRefused, match="consent-expired"):
        world.read_by_consent(world.outsider, mine.alias)
    with pytest.raises(AccessRefused, match="no-consent"):
        live(world, mine, "DISPENSE")


def test_a_newer_grant_to_a_colleague_for_writing_or_for_less_does_not_stand_in_the_way(world: World) -> None:
    mine = with_record(world)
    viewing = world.grant(mine, world.outsider, (DIAGNOSIS, GENERAL))
    colleague = world.staff(world.clinic, 62)
    world.clock.advance(60)
    world.grant(mine, colleague)
    writing = world.grant(mine, world.outsider, permissions=(APPEND,))
    less = world.grant(mine, world.outsider, (GENERAL,))
    assert live(world, mine, permission=APPEND) == writing.owner
    assert live(world, mine, compartments=[GENERAL.number]) == less.owner
    assert live(world, mine, compartments=[DIAGNOSIS.number, GENERAL.number]) == viewing.owner
    assert live(world, mine, compartments=[DIAGNOSIS.number]) == viewing.owner


def test_whose_own_grant_is_over_is_told_of_that_one_and_not_of_a_colleagues(world: World) -> None:
    mine = with_record(world)
    own = world.grant(mine, world.outsider)
    world.clock.advance(60)
    world.grant(mine, world.staff(world.clinic, 62), (DIAGNOSIS, GENERAL))
    revoke(world.network, mine, own.owner)
    assert live(world, mine, compartments=[DIAGNOSIS.number, GENERAL.number]) == own.owner
    with pytest.raises(AccessRefused, match="consent-revoked"):
        world.read_by_consent(world.outsider, mine.alias)
