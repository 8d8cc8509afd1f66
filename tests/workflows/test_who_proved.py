"""A patient sees whose passkey was shown where its own signature says so, and elsewhere the word of the employer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from authenticator import Authenticator
from careledger.adapters.custody.hostile import LyingLink
from careledger.formats.custody import AuditAnswer
from careledger.formats.releases import LogEntry
from careledger.formats.sessions import Enrolled, PasskeyProof, SessionProof, SessionStatement, passkey_digest
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, sign
from careledger.workflows.accesses import by_registrar
from careledger.workflows.actors import Holder, Session, proved_session
from careledger.workflows.audit import Access, audit
from careledger.workflows.custodian import asking
from careledger.workflows.epochs import own_statement
from careledger.workflows.retrieve import retrieve
from careledger.workflows.who_proved import Statements
from passkey_world import Post, cose
from world import DIAGNOSIS, World, condition, texts


@pytest.fixture
def holder(world: World) -> Holder:
    made = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), made.alias, condition(world.doctor))
    return made


def person(world: World) -> Post:
    """The hospital's doctor, with an authenticator."""
    return Post(world.doctor.number, world.doctor.key, deployment=world.ledger.deployment)


def proof(world: World, who: Post, key: SigningKey) -> PasskeyProof:
    now = world.clock.now()
    return who.proof(who.assertion(key.address, now + 12 * 3600), since=now - 60)


def session(world: World, who: Post | None = None) -> Session:
    key, who = SigningKey.random(), who or person(world)
    made = proof(world, who, key)
    return proved_session(world.doctor, world.ledger.deployment, world.clock.now(), key, made, 3600)


def restated(world: World, by: Session, **changes: object) -> Session:
    """As the doctor's gateway states it when it lies; signed by the post's key all the same."""
    said = replace(SessionStatement.decode(by.proof.statement.body), **changes)  # type: ignore[arg-type]
    return replace(by, proof=SessionProof(sign(said, world.doctor.key, world.ledger.deployment)))


def read(world: World, holder: Holder, by: Session) -> None:
    statement, _ = own_statement(holder)
    access = by_registrar(world.network, by, holder, statement, (DIAGNOSIS,))
    assert texts(retrieve(world.network, access, statement, (DIAGNOSIS,))) == ["asthma"]


def seen(world: World, holder: Holder) -> list[Access]:
    found = audit(world.network, holder)
    assert found.problems == ()
    return found.accesses  # type: ignore[return-value]


def test_the_patient_sees_which_passkey_was_shown_and_since_when_it_is_the_posts(
    world: World, holder: Holder
) -> None:
    who = person(world)
    read(world, holder, session(world, who))
    read(world, holder, world.session())
    proved, vouched = seen(world, holder)
    assert (proved.person_proof, vouched.person_proof) == ("passkey", "vouched")
    assert vouched.passkey is None
    assert proved.passkey is not None
    assert proved.passkey.key == passkey_digest(cose(who.authenticator))
    assert proved.passkey.since == proved.at_time - 60


def test_a_post_that_shows_another_passkey_is_seen_to(world: World, holder: Holder) -> None:
    for _ in range(2):
        read(world, holder, session(world, person(world)))
    keys = [each.passkey.key for each in seen(world, holder) if each.passkey]
    assert len(set(keys)) == 2


Lie = Callable[[World, Session], Session]


def with_anothers_key(world: World, by: Session) -> Session:
    """What was signed for one session, in a new statement for a key that nobody signed."""
    key = SigningKey.random()
    return restated(world, replace(by, key=key), session_key=key.address)


def by_a_strangers_authenticator(world: World, by: Session) -> Session:
    said = SessionStatement.decode(by.proof.statement.body)
    assert said.passkey is not None
    shown = replace(person(world), authenticator=Authenticator()).assertion(by.key.address, by.until)
    lie = replace(shown, public_key=said.passkey.assertion.public_key)
    return restated(world, by, passkey=replace(said.passkey, assertion=lie))


def enrolled_by_nobody(world: World, by: Session) -> Session:
    said = SessionStatement.decode(by.proof.statement.body)
    assert said.passkey is not None
    lie = replace(said.passkey, enrolled=replace(said.passkey.enrolled, signature=bytes(65)))
    return restated(world, by, passkey=lie)


LIES: dict[str, Lie] = {
    "another session key": with_anothers_key,
    "another credential": by_a_strangers_authenticator,
    "enrolled by nobody": enrolled_by_nobody,
    "no proof": lambda world, by: restated(world, by, passkey=None),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_a_lying_gateway_states_is_told_as_its_own_word(world: World, holder: Holder, lie: Lie) -> None:
    read(world, holder, lie(world, session(world)))
    assert [(each.person_proof, each.passkey) for each in seen(world, holder)] == [("vouched", None)]


def test_a_proof_that_was_shown_for_an_earlier_session_proves_no_later_one(
    world: World, holder: Holder
) -> None:
    old = session(world)
    world.clock.advance(12 * 3600)
    now = world.clock.now()
    read(world, holder, restated(world, replace(old, until=now + 3600), made=now, until=now + 3600))
    assert [each.person_proof for each in seen(world, holder)] == ["vouched"]


def test_custodians_that_say_passkey_of_what_proves_none_are_not_believed(
    world: World, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "person_proof", lambda *given: "passkey")
    read(world, holder, world.session())
    assert [each.person_proof for each in seen(world, holder)] == ["vouched"]


def _answers(world: World, liars: int, change: Callable[[AuditAnswer], AuditAnswer], holder: Holder) -> None:
    for liar in own_statement(holder)[0].custodians[:liars]:
        key = world.custody_keys(liar).signing

        def lie(answer: bytes, key: SigningKey = key) -> bytes:
            honest = AuditAnswer.decode(Signed.decode(answer).body)
            return sign(change(honest), key, world.ledger.deployment).encode()

        world.links[liar] = LyingLink(world.links[liar], {"audit": lie})


def test_a_statement_that_one_custodian_holds_back_or_spoils_comes_from_the_others(
    world: World, holder: Holder
) -> None:
    read(world, holder, session(world))
    _answers(world, 1, lambda honest: replace(honest, sessions=()), holder)
    assert [each.person_proof for each in seen(world, holder)] == ["passkey"]
    _answers(world, 2, lambda honest: replace(honest, sessions=(b"spoilt", bytes(2_000))), holder)
    assert [each.person_proof for each in seen(world, holder)] == ["passkey"]
    _answers(world, 5, lambda honest: replace(honest, sessions=()), holder)
    assert [each.person_proof for each in seen(world, holder)] == ["vouched"]


def test_a_statement_is_kept_once_for_each_session_and_patient_and_readable_by_the_patient_alone(
    world: World, holder: Holder
) -> None:
    by, other = session(world), world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), other.alias, condition(world.doctor))
    for each in (holder, holder, other):
        read(world, each, by)
    read(world, holder, session(world))
    number = own_statement(holder)[0].custodians[0]
    journal = world.directories[number].journal
    assert [len(journal.sessions(each.alias, each.state.claim)) for each in (holder, other)] == [2, 1]
    kept = [row for each in (holder, other) for row in journal.sessions(each.alias, each.state.claim)]
    assert len(set(kept)) == 3
    body = by.proof.statement.body
    assert all(body not in each and world.doctor.number.to_bytes(8, "big") not in each for each in kept)
    assert {each.person_proof for each in [*seen(world, holder), *seen(world, other)]} == {"passkey"}


def test_a_post_that_has_another_key_since_is_judged_by_the_one_that_it_had(
    world: World, holder: Holder
) -> None:
    read(world, holder, session(world))
    world.ledger.rotate_party(world.doctor.number, world.doctor.key, SigningKey.random())
    assert [each.person_proof for each in seen(world, holder)] == ["passkey"]


class Counted(Statements):
    """Counts what is looked into."""

    looks = 0

    def _looked_into(self, statement: SessionStatement, signed: Signed, block: int) -> Enrolled:
        self.looks += 1
        return super()._looked_into(statement, signed, block)


def test_a_statement_counts_for_its_posts_requests_while_it_lives_and_as_the_post_signed_it(
    world: World,
) -> None:
    """Whatever lines say of a session that proves a passkey: what custodians who lie together might write."""
    by, stranger, network = session(world), SigningKey.random(), world.network
    said, now = SessionStatement.decode(by.proof.statement.body), world.clock.now()
    head = network.ledger.fresh_head().head.number
    example = LogEntry.example()
    line = replace(example, session=said.digest(), reader=said.post, at_time=now, at_block=head)
    signed = by.proof.statement
    assert Statements(network, [[signed]]).passkey([line, line]) is not None
    for wrong in (
        [replace(line, reader=world.outsider.number)],
        [line, replace(line, reader=world.outsider.number)],
        [line, replace(line, session=bytes(32))],
        [replace(line, session=bytes(32))],
        [replace(line, at_time=said.made - 1)],
        [line, replace(line, at_time=said.until)],
        [replace(line, at_block=10**9)],
    ):
        assert Statements(network, [[signed]]).passkey(wrong) is None
    forged = sign(said, stranger, network.ledger.deployment)
    for together in ([[signed], [forged]], [[forged], [signed]]):
        assert Statements(network, together).passkey([line]) is not None
    many = [replace(forged, signature=bytes([each]) * 65) for each in range(200)]
    asked = Counted(network, [many, [signed]])
    assert asked.passkey([line]) is not None
    assert asked.looks == 2  # one of each log, however many it gives
    lied = Statements(network, [[signed]])
    assert lied.passkey([replace(line, at_block=10**9)]) is None  # and of one access, not of the next
    assert lied.passkey([line]) is not None
    assert Statements(network, [[forged]]).passkey([line]) is None
    assert Statements(network, [[replace(signed, body=b"x")]]).passkey([line]) is None


def test_however_many_sessions_there_were_the_entries_are_given_whole(world: World, holder: Holder) -> None:
    read(world, holder, session(world))
    for number in own_statement(holder)[0].custodians:
        journal = world.directories[number].journal
        for each in range(9):  # together more than a message may be
            journal.add_session(holder.alias, holder.state.claim, bytes([each]) * 32, bytes(2**21))
    assert len(seen(world, holder)) == 1
