"""Custodians that refuse whatever they are asked stop nobody while enough others do it, and are named where not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from careledger.domain.errors import AccessRefused, WritingRefused
from careledger.ports import CustodianLink
from careledger.workflows.accesses import by_holder
from careledger.workflows.actors import Holder
from careledger.workflows.deposit import complete
from careledger.workflows.epochs import own_statement, publish_statement, repeat_enrolments
from careledger.workflows.erase import conclude, erase
from careledger.workflows.grant import OWED, given_consents
from careledger.workflows.order import repeat_orders
from careledger.workflows.retrieve import retrieve
from careledger.workflows.revoke import renew_expired, revoke
from world import DIAGNOSIS, World, condition, texts

SAYING_NO = frozenset({"enrol", "keep-epoch", "keep", "anchored", "release", "order", "revoked"})


@dataclass
class Refusing:
    """A custodian that says no to everything that others do."""

    link: CustodianLink
    refused: int = 0

    @property
    def party(self) -> int:
        return self.link.party

    def call(self, method: str, body: bytes) -> bytes:
        if method in SAYING_NO:
            self.refused += 1
            raise WritingRefused(reason="whim")
        return self.link.call(method, body)


def refusing(world: World, holder: Holder, places: tuple[int, ...]) -> list[Refusing]:
    """The custodians at these places of the list refuse from now on."""
    made = []
    for place in places:
        number = own_statement(holder)[0].custodians[place - 1]
        world.links[number] = Refusing(world.links[number])
        made.append(world.links[number])
    return made


def honest_again(world: World, liars: list[Refusing]) -> None:
    for liar in liars:
        assert liar.refused > 0
        world.links[liar.party] = liar.link


@pytest.mark.parametrize("places", [(1,), (1, 2), (3, 5)], ids=str)
def test_custodians_that_refuse_stop_no_deposit_while_n_take_it(
    world: World, places: tuple[int, ...]
) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    liars = refusing(world, holder, places)
    made = world.put(world.writer(), holder.alias, condition(world.doctor))
    assert not made.thin
    assert texts(world.read_as_registrar(holder)) == ["asthma"]
    assert complete(world.network, world.hospital) == len(places)
    honest_again(world, liars)
    assert complete(world.network, world.hospital) == 0


def test_where_fewer_than_n_take_a_deposit_the_refusal_is_said_and_nothing_anchored(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    version = condition(world.doctor)
    liars = refusing(world, holder, (1, 2, 4))
    with pytest.raises(WritingRefused, match="whim"):
        world.put(world.writer(), holder.alias, version)
    honest_again(world, liars)
    assert world.read_as_registrar(holder).records == ()
    world.put(world.writer(), holder.alias, version)
    assert texts(world.read_as_registrar(holder)) == ["asthma"]


def patient_with_a_reader(world: World) -> Holder:
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    mine = world.claim(holder).holder
    world.grant(mine, world.outsider)
    return mine


def test_a_custodian_that_refuses_stops_no_claim_and_no_new_statement(world: World) -> None:
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    liars = refusing(world, holder, (1,))
    mine = world.claim(holder).holder
    assert texts(world.read_own(mine)) == ["asthma"]
    statement, _ = own_statement(mine)
    mine = publish_statement(
        world.network, mine, statement.custodians, statement.custodian_seed, statement.registrar, False
    )
    assert repeat_enrolments(world.network, mine) == 1
    honest_again(world, liars)
    assert repeat_enrolments(world.network, mine) == 0


@pytest.mark.parametrize("places", [(1, 2), (1, 2, 3)], ids=str)
def test_custodians_that_refuse_stop_no_revocation(world: World, places: tuple[int, ...]) -> None:
    """With n of them the new epoch waits until they take it; the consent ends at once."""
    mine = patient_with_a_reader(world)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    liars = refusing(world, mine, places)
    [given] = given_consents(mine)
    revoke(world.network, mine, mine.consent_key(given.counter).address)
    assert [each.state == OWED for each in given_consents(mine)] == [len(places) > 2]
    honest_again(world, liars)
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.outsider, mine.alias)
    assert renew_expired(world.network, mine) == (len(places) > 2)
    assert texts(world.read_own(mine)) == ["asthma"]


def test_a_custodian_that_refuses_stops_no_erasure(world: World) -> None:
    mine = patient_with_a_reader(world)
    [record] = world.read_own(mine).records
    liars = refusing(world, mine, (1,))
    erase(world.network, mine, [record], "wish")
    statement, _ = own_statement(mine)
    done = conclude(world.ledger.fresh_head(), record.found.leaf, statement.custodians, 2)
    assert (len(done.attested), done.erased) == (4, True)
    assert repeat_orders(world.network, mine) == 1
    honest_again(world, liars)
    assert repeat_orders(world.network, mine) == 0
    with pytest.raises(AccessRefused, match="erased"):
        retrieve(
            world.network,
            by_holder(world.network, mine, statement, [DIAGNOSIS]),
            statement,
            handles=[record.handle],
        )
