"""A post that rests on a licence ends with it: revoked or expired, by what its issuer signed, and by nothing else."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pytest

import story
from careledger.app.founding import licence
from careledger.app.identity import employing, references, staff_files
from careledger.app.identity.employing import BY_FILE, Wanted
from careledger.app.identity.employing import Desk as Employing
from careledger.app.licences import issuing, jose, over, resting, status
from careledger.app.licences.checking import Checked, Lists
from careledger.app.licences.resting import ENDED, GONE, LEFT, STANDS, Looked
from careledger.app.service.logs import JsonLines
from careledger.domain.errors import LicenceRefused
from careledger.domain.parties import Role, Status
from careledger.formats.signatures import SigningKey
from careledger.gateway.licences import Looking
from careledger.gateway.server import Gateway
from careledger.workflows import parties, register
from careledger.workflows.actors import Organisation
from gateway.test_licences import DAY, Desk
from story import Story

BASE = "https://licences.example"


@dataclass
class Ward(Desk):
    """City Hospital, some of whose posts rest on licences."""

    @cached_property
    def employing(self) -> Employing:
        return Employing(self.story.world.network, self.story.world.keyring, self.now)

    def checked(self, until: int = DAY) -> Checked:
        return self.check(self.presented(self.issue(until=until)[0]))

    def post(self, label: str, found: Checked) -> int:
        """A post that the licence lets act, on the ledger."""
        world = self.story.world
        made = world.keyring.new_staff(self.city, label, {Role.DOCTOR})
        resting.rest(world.ledger.fresh_head(), self.city, made.number, found, self.now)
        register.post(world.network, made, {Role.DOCTOR}, licence(found.number))
        return made.number

    def standing(self, post: int) -> Status:
        facts = self.story.world.ledger.fresh_head().party(post)
        assert facts is not None
        return facts.standing

    def rests(self, post: int) -> bool:
        return post in dict(resting.rested(self.city))

    def look(self, post: int, lists: Lists | None = None, later: int = 0) -> Looked | None:
        """What was said of a post."""
        here = lists or (lambda issuer, uri: status.found(self.story.world, issuer, uri))
        desk = replace(self.employing, now=self.now + later)
        return next((each for each in resting.look(desk, self.city, here) if each.post == post), None)


@pytest.fixture(scope="module")
def ward(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    mine = story.copied(told, tmp_path_factory.mktemp("resting") / "data")
    yield Ward(mine, BASE)
    mine.world.close()


def outcome(said: Looked | None) -> tuple[str, str]:
    assert said is not None
    return said.outcome, said.why


def test_a_post_ends_when_its_licence_is_revoked_and_no_other_post_does(ward: Ward) -> None:
    lost, kept = ward.checked(), ward.checked()
    post, other = ward.post("Dr Lost", lost), ward.post("Dr Kept", kept)
    assert outcome(ward.look(post)) == (STANDS, "")
    issuing.revoke(ward.ministry, lost.place, ward.now)
    assert outcome(ward.look(post)) == (ENDED, "revoked")
    assert (ward.standing(post), ward.standing(other)) == (Status.REMOVED, Status.VERIFIED)
    assert ward.look(post) is None
    assert outcome(ward.look(other)) == (STANDS, "")


def test_a_post_ends_when_its_licence_expires_also_where_no_list_can_be_had(ward: Ward) -> None:
    post = ward.post("Dr Past", ward.checked(until=1_000))
    assert outcome(ward.look(post, later=900)) == (STANDS, "")
    assert outcome(ward.look(post, lists=_none, later=1_001)) == (ENDED, "expired")
    assert ward.standing(post) is Status.REMOVED
    assert not ward.rests(post)


def test_what_was_shown_for_nobody_is_dropped_once_it_holds_no_more(ward: Ward) -> None:
    def shown(later: int) -> int:
        resting.look(replace(ward.employing, now=ward.now + later), ward.city, _none)
        return len(list(ward.city.books.rows(over.SHOWN)))

    before = shown(0)
    over.keep(ward.city, replace(ward.checked(until=1_000), number="D-nobody"), ward.now)
    assert shown(900) == before + 1
    assert shown(1_000) == before


def test_who_ends_so_has_left_the_list_of_staff(ward: Ward) -> None:
    wanted = Wanted("past@city.example", "Dr Listed", (Role.DOCTOR,), "D-1204")
    over.keep(ward.city, ward.checked(), ward.now)
    who = employing.join(ward.employing, ward.city, wanted, BY_FILE)
    post, found = who.member.post, ward.checked()
    resting.rest(ward.story.world.ledger.fresh_head(), ward.city, post, found, ward.now)
    issuing.revoke(ward.ministry, found.place, ward.now)
    assert outcome(ward.look(post)) == (ENDED, "revoked")
    assert not employing.by_id(ward.city, who.id).member.active
    assert ward.standing(post) is Status.REMOVED


def test_a_list_is_entered_without_reading_all_names_for_each_and_no_two_are_called_alike(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring, read = ward.story.world.keyring, Counter[str]()
    labels = keyring.labels

    def counted(inside: Organisation | None = None) -> dict[int, str]:
        read["labels"] += 1
        return labels(inside)

    monkeypatch.setattr(keyring, "labels", counted)
    text = "login,name,roles\n" + "".join(f"alike-{each},Dr Alike,nurse\n" for each in range(6))
    lines, _ = staff_files.read(text.encode())
    desk = replace(ward.employing, called={})
    staff_files.carry_out(desk, ward.city, staff_files.plan(ward.city, lines, ward.now))
    assert read["labels"] == 1
    assert sum(name.startswith("Dr Alike") for name in labels(ward.city).values()) == 6


def test_a_number_that_is_over_gives_nobody_a_post_until_a_licence_is_shown_that_holds(ward: Ward) -> None:
    """Whoever types it, however it is written, as whoever else, or left out."""
    desk, city, doctor = ward.employing, ward.city, (Role.DOCTOR,)
    wanted = Wanted("over@city.example", "Dr Over", doctor, "D-1204")
    found = ward.checked()
    over.keep(city, found, ward.now)
    who = employing.join(desk, city, wanted, BY_FILE)
    assert ward.rests(who.member.post)  # on what was shown before
    issuing.revoke(ward.ministry, found.place, ward.now)
    assert outcome(ward.look(who.member.post)) == (ENDED, "revoked")
    head, left = ward.story.world.ledger.fresh_head().head, employing.by_id(city, who.id)
    line = staff_files.read(
        b"login,name,roles,licence\nover@city.example,Dr Over,doctor,D-1204\nn,N,nurse,\n"
    )[0]
    planned = staff_files.plan(city, line, ward.now)
    assert [each.line for each in staff_files.refused(desk, city, planned)] == [2]
    for licence_number in ("D-1204", "", "D-5"):
        with pytest.raises(LicenceRefused, match="shown first"):
            employing.change(desk, left, replace(wanted, licence=licence_number))
    for written in (" d 1204", "D-\uff11\uff12\uff10\uff14", "\uff24\uff11204", "D-\u0661\u0662\u0660\u0664"):
        with pytest.raises(LicenceRefused, match="shown first"):
            employing.join(desk, city, replace(wanted, login="x@city.example", licence=written), BY_FILE)
    assert ward.story.world.ledger.fresh_head().head == head
    assert employing.by_id(city, who.id) == left
    assert employing.by_login(city, "x@city.example") is None
    elsewhere = employing.change(desk, left, replace(wanted, roles=(Role.OPERATOR,), licence=""))
    assert ward.standing(elsewhere.member.post) is Status.VERIFIED  # what needs no such licence
    over.keep(city, replace(ward.checked(), profession="nurse"), ward.now)
    with pytest.raises(LicenceRefused):
        employing.change(desk, elsewhere, wanted)
    new = ward.checked()
    over.keep(city, new, ward.now)
    with pytest.raises(LicenceRefused):
        over.check(city, (), "D-1204", doctor, new.until)
    back = employing.change(desk, elsewhere, wanted)
    assert (ward.standing(back.member.post), ward.rests(back.member.post)) == (Status.VERIFIED, True)
    with pytest.raises(LicenceRefused):  # it served once
        employing.join(desk, city, replace(wanted, login="y@city.example"), BY_FILE)
    issuing.revoke(ward.ministry, new.place, ward.now)
    assert outcome(ward.look(back.member.post)) == (ENDED, "revoked")


def test_a_licence_that_is_issued_again_and_presented_keeps_the_post(ward: Ward) -> None:
    old, new = ward.checked(), ward.checked()
    post = ward.post("Dr Again", old)
    resting.rest(ward.story.world.ledger.fresh_head(), ward.city, post, new, ward.now)
    issuing.revoke(ward.ministry, old.place, ward.now)
    assert outcome(ward.look(post)) == (STANDS, "")
    assert ward.standing(post) is Status.VERIFIED


def test_a_post_rests_on_no_other_number_profession_or_employers_post(ward: Ward) -> None:
    found = ward.checked()
    post, view = ward.post("Dr Same", found), ward.story.world.ledger.fresh_head()
    lakeside = ward.story.organisations["Lakeside"]
    before = dict(resting.rested(ward.city))[post]
    for other in (replace(found, number="D-9"), replace(found, profession="nurse")):
        with pytest.raises(LicenceRefused):
            resting.rest(ward.story.world.ledger.fresh_head(), ward.city, post, other, ward.now)
    with pytest.raises(LicenceRefused):
        resting.rest(ward.story.world.ledger.fresh_head(), lakeside, post, found, ward.now)
    with pytest.raises(LicenceRefused, match="kept"):
        resting.rest(view, ward.city, 7, replace(found, uri="https://" + "a" * 2_000), ward.now)
    assert dict(resting.rested(ward.city))[post] == before
    assert resting.rested(lakeside) == []


def test_an_employer_that_ended_the_post_before_is_done_with_its_licence(ward: Ward) -> None:
    found = ward.checked()
    post = ward.post("Dr Ended", found)
    staff = ward.story.world.keyring.post(ward.city, post)
    assert staff is not None
    parties.end_post(ward.story.world.network, staff)
    assert outcome(ward.look(post)) == (GONE, "")
    assert not ward.rests(post)
    with pytest.raises(LicenceRefused, match="over"):
        resting.rest(ward.story.world.ledger.fresh_head(), ward.city, post, found, ward.now)


def test_a_number_is_over_though_the_employer_ended_the_post_first(ward: Ward) -> None:
    """As an employer does that heard of it before its gateway looked."""
    found, doctor = replace(ward.checked(), number="D-first"), (Role.DOCTOR,)
    post = ward.post("Dr First", found)
    staff = ward.story.world.keyring.post(ward.city, post)
    assert staff is not None
    parties.end_post(ward.story.world.network, staff)
    issuing.revoke(ward.ministry, found.place, ward.now)
    assert outcome(ward.look(post, lists=_none))[0] == LEFT  # nobody knows, and it is looked again
    over.check(ward.city, (), found.number, doctor, ward.now)
    assert outcome(ward.look(post)) == (GONE, "revoked")
    assert not ward.rests(post)
    with pytest.raises(LicenceRefused, match="shown first"):
        over.check(ward.city, (), found.number, doctor, ward.now)


def test_a_list_that_cannot_be_had_or_is_forged_ends_no_post(ward: Ward) -> None:
    found = ward.checked()
    post, now = ward.post("Dr Target", found), ward.now

    def forged(signer: SigningKey, **claims: object) -> Lists:
        listed = {"bits": 1, "lst": status.packed([found.place])}
        said = {"sub": found.uri, "iat": now, "exp": now + 60, "status_list": listed} | claims
        return lambda issuer, uri: jose.signed(signer, status.KIND, said)

    ministry, lakeside = ward.ministry.controller, ward.story.organisations["Lakeside"]
    for lists, why in (
        (_none, "cannot be fetched"),
        (forged(SigningKey.random()), "another key"),
        (forged(ward.city.controller), "another key"),
        (forged(lakeside.controller), "another key"),
        (forged(ministry, sub="https://elsewhere.example/list"), "another place"),
        (forged(ministry, iat=now - 7_200, exp=now - 3_600), "another time"),
        (forged(ministry, status_list={"bits": 1, "lst": "x"}), "cannot be read"),
    ):
        said = outcome(ward.look(post, lists=lists))
        assert said[0] == LEFT
        assert why in said[1]
        assert ward.standing(post) is Status.VERIFIED
        assert ward.rests(post)
    with pytest.raises(LicenceRefused):  # nor does a stranger revoke it at its issuer
        issuing.revoke(lakeside, found.place, now)
    assert outcome(ward.look(post)) == (STANDS, "")
    assert outcome(ward.look(post, lists=forged(ministry))) == (ENDED, "revoked")  # the neighbour that counts


def test_a_list_by_a_key_that_the_ledger_does_not_know_of_the_ministry_ends_no_post(ward: Ward) -> None:
    """Also where the books were brought to name the stranger's key."""
    thief, found = SigningKey.random(), ward.checked()
    post = ward.post("Dr Rotated", replace(found, key=thief.public))
    said = {"sub": found.uri, "iat": ward.now, "exp": ward.now + 60,
            "status_list": {"bits": 1, "lst": status.packed([found.place])}}  # fmt: skip
    lists: Lists = lambda issuer, uri: jose.signed(thief, status.KIND, said)  # noqa: E731
    assert outcome(ward.look(post, lists=lists)) == (LEFT, "signed by another key than its issuer's")
    assert ward.standing(post) is Status.VERIFIED


def test_a_running_gateway_ends_such_a_post_and_says_so_under_a_reference(
    told: Story, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "careledger.security")
    mine = story.copied(told, tmp_path / "data")
    ward = Ward(mine, BASE)
    lost, found = ward.checked(), ward.checked()
    post, unknown = ward.post("Dr Lost", lost), ward.post("Dr Unknown", replace(found, issuer=7))
    issuing.revoke(ward.ministry, lost.place, ward.now)
    with Gateway(mine.world, port=0) as gateway:
        gateway._licences = Looking(mine.world, gateway._worker, _refuses)
        gateway._licences.look()
        gateway._licences.look()  # not again so soon
    lines = [
        json.loads(JsonLines().format(each)) for each in caplog.records if each.name == "careledger.security"
    ]
    told_of = {each["message"]: each for each in lines}
    assert set(told_of) == {"post-ended", "licence-unknown"}
    assert told_of["post-ended"]["why"] == "revoked"
    assert [told_of[each]["level"] for each in ("post-ended", "licence-unknown")] == ["info", "warning"]
    assert references.resolved(ward.city, [post, unknown], told_of["post-ended"]["about"])[1] == post
    assert references.resolved(ward.city, [post, unknown], told_of["licence-unknown"]["about"])[1] == unknown
    assert not any(word in json.dumps(lines) for word in ("Dr Lost", "D-1204", f"{post:016x}", BASE))
    assert (ward.standing(post), ward.standing(unknown)) == (Status.REMOVED, Status.VERIFIED)
    mine.world.close()


def _none(issuer: int, uri: str) -> str:
    return status.fetched("https://127.0.0.1:1/list")


def _refuses(uri: str) -> str:
    raise LicenceRefused(why="its status list cannot be fetched")
