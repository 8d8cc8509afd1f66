"""A patient learns who read what, when and why, from the first claim on, and that nothing is missing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from careledger.domain.errors import AccessRefused, CareLedgerError
from careledger.ports import CustodianLink
from careledger.proofs.bundle import verify_file
from careledger.workflows.actors import Holder
from careledger.workflows.audit import ASKED, audit, known_claims
from careledger.workflows.audit_file import completeness_file
from careledger.workflows.rotate_keys import rotate
from world import World, condition, texts


def read_twice(world: World) -> Holder:
    """The registrar's doctor read before the claim, the outsider after it, a stranger was refused."""
    holder = world.patient()
    world.put(world.writer(), holder.alias, condition(world.doctor))
    assert texts(world.read_as_registrar(holder)) == ["asthma"]
    mine = world.claim(holder).holder
    world.grant(mine, world.outsider)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    other = world.staff(world.clinic, 62)
    with pytest.raises(AccessRefused):
        world.read_by_consent(other, mine.alias)
    return mine


def test_every_access_of_the_claim_is_told_with_reader_ground_and_outcome(world: World) -> None:
    mine = read_twice(world)
    found = audit(world.network, mine)
    assert found.problems == ()
    assert [(each.reader, each.rule, each.purpose, each.outcome) for each in found.accesses] == [
        (world.outsider.number, "consent", "TREAT", "released"),
        (62, "consent", "TREAT", "refused"),
    ]
    assert {each.person_proof for each in found.accesses} == {"vouched"}
    assert len(found.logs) == len(world.ledger.fresh_head().custodians())


def test_the_former_claims_log_opens_with_what_the_registrar_handed_over(world: World) -> None:
    mine = read_twice(world)
    claims = known_claims(mine)
    assert [each.claim for each in claims] == [0, 1]
    found = audit(world.network, mine, claims)
    assert found.problems == ()
    assert [each.rule for each in found.accesses] == ["registrar", "consent", "consent"]
    assert {log.claim for log in found.logs} == {0, 1}


def test_after_a_rotation_older_entries_still_open_and_nothing_is_missing(world: World) -> None:
    mine = rotate(world.network, read_twice(world))
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    found = audit(world.network, mine)
    assert found.problems == ()
    assert [each.outcome for each in found.accesses] == ["released", "refused", "released"]


def test_a_custodian_that_cannot_be_asked_is_a_problem(world: World) -> None:
    mine = read_twice(world)
    silent = world.statement(mine.alias).custodians[0]
    del world.links[silent]
    found = audit(world.network, mine)
    assert not found.complete
    assert [number for number, _ in found.problems] == [silent]


def test_one_that_never_held_anything_signs_that(world: World) -> None:
    mine = read_twice(world)
    world.add_custodian(6)
    found = audit(world.network, mine)
    assert found.complete
    [log] = [log for log in found.logs if log.custodian == 6]
    assert "never held anything" in log.sentence


@dataclass
class Anchoring:
    """A custodian whose log is anchored once more right after it answered, as a service beside an audit does it."""

    link: CustodianLink
    left: int

    @property
    def party(self) -> int:
        return self.link.party

    def call(self, method: str, body: bytes) -> bytes:
        answer = self.link.call(method, body)
        if method == "audit" and self.left:
            self.left -= 1
            self.link.call("tend", b"")
        return answer


@pytest.mark.parametrize(("often", "complete"), [(ASKED - 1, True), (1_000, False)])
def test_a_log_that_is_anchored_while_it_is_audited_is_asked_for_again_and_not_for_ever(
    world: World, often: int, complete: bool
) -> None:
    mine = read_twice(world)
    asked = world.statement(mine.alias).custodians[0]
    world.links[asked] = link = Anchoring(world.links[asked], often)
    found = audit(world.network, mine)
    assert (found.complete, often - link.left) == (complete, ASKED - 1 if complete else ASKED)
    assert [number for number, _ in found.problems] == ([] if complete else [asked])


def test_only_the_controller_audits(world: World) -> None:
    mine, other = read_twice(world), world.claimed()
    stranger = Holder(other.keys, mine.state, mine.books)
    found = audit(world.network, stranger)
    assert found.accesses == ()
    assert len(found.problems) == len(world.links)


def test_a_proof_file_of_each_claim_is_verified_offline(world: World) -> None:
    mine = read_twice(world)
    for claimed in known_claims(mine):  # a file is made before the log grows by the next audit
        log = audit(world.network, mine, [claimed]).logs[0]
        data = completeness_file(world.network, mine, log)
        assert f"exactly {len(log.entries)} bear the tags" in verify_file(data)
        with pytest.raises(CareLedgerError):
            verify_file(data[:-1])
