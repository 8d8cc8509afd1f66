"""Two transactions at once, and one beside other requests: each is whole or not at all, and nothing is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from careledger.app.tokens import Bearer, Bearers
from careledger.domain.errors import VersionConflict
from careledger.gateway import batches, transactions
from careledger.gateway.application import BATCHED
from careledger.gateway.desk import Desk
from careledger.gateway.http import Answered, Asked
from careledger.gateway.leases import Leases
from careledger.gateway.resolving import MOST_AGAIN, Resolver
from careledger.workflows import deposit, together
from careledger.workflows.tend_gateway import tend_gateway
from gateway.edge_world import Edge
from gateway.test_batches import Entry, asks, condition, made, send, statuses
from gateway.ward import Ward


@pytest.fixture(scope="module")
def ward(edge: Edge) -> Ward:
    return Ward(edge)


@pytest.fixture
def alias(ward: Ward) -> str:
    return ward.patient().alias.hex()


def gateway(edge: Edge) -> Desk:
    made = Desk(edge.story.world, edge.gateway.base)
    made.batched = [each for feature in BATCHED for each in feature(made)]
    return made


def bearer(edge: Edge) -> Bearer:
    world = edge.story.world
    return Bearers(world.keyring).bearer(edge.token("Dr City"), world.clock.now(), time.monotonic())


def begun(edge: Edge, *entries: Entry) -> Any:
    """A transaction through a gateway of its own, that was begun and goes on step by step."""
    body = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()
    return batches.take(gateway(edge), bearer(edge), Asked({}, {}, [], body, "POST"))


def ended(steps: Any) -> Answered:
    """All its steps, what it asks of a process beside done here."""
    try:
        asks = next(steps)
        while True:
            asks = next(steps) if asks is None else steps.send(asks())
    except StopIteration as stop:
        answered: Answered = stop.value
        return answered


def between(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, other: Callable[[], Any]) -> None:
    """The other transaction comes whole when the first one has come to there."""
    own = getattr(where, name)

    def both(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(where, name, own)
        other()
        return own(*given, **more)

    monkeypatch.setattr(where, name, both)


PLACES = [(transactions._Transaction, "store"), (transactions._Transaction, "commit"), (together, "plans")]
"""Before anything is stored, before it counts, and when it is past being checked: as from another organisation."""


@pytest.mark.parametrize(("where", "name"), PLACES)
def test_of_two_transactions_that_change_one_record_one_is_refused_whole(
    edge: Edge, ward: Ward, alias: str, where: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = made(ward.reader, alias, "before")
    path = f"Condition/{one.body['id']}"

    def of(words: str) -> list[Entry]:
        put = asks("PUT", path, {**one.body, "code": {"text": words}})
        return [put, asks("POST", "Condition", condition(alias, f"beside {words}"))]

    won = list[Answered]()
    between(monkeypatch, where, name, lambda: won.append(ended(begun(edge, *of("the other's")))))
    with pytest.raises(VersionConflict):
        ended(begun(edge, *of("one's")))
    assert won
    read = ward.reader
    found = {each["code"]["text"] for each in read.ask(f"Condition?patient={alias}").matches}
    assert found == {"the other's", "beside the other's"}
    assert read.ask(path).body["code"]["text"] == "the other's"


@pytest.mark.parametrize(("where", "name"), PLACES[:2])
def test_of_two_transactions_that_create_unless_it_is_there_one_is_refused_whole(
    edge: Edge, ward: Ward, alias: str, where: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [
        asks(
            "POST", "Condition", condition(alias, "once", note=[{"text": str(each)}]), ifNoneExist="code=once"
        )
        for each in range(2)
    ]
    between(monkeypatch, where, name, lambda: ended(begun(edge, entries[0])))
    with pytest.raises(VersionConflict):
        ended(begun(edge, entries[1]))
    assert len(ward.reader.ask(f"Condition?patient={alias}&code=once").matches) == 1
    assert [each[:3] for each in statuses(send(ward.reader, "transaction", entries[1]))] == ["200"]


def test_of_two_transactions_that_create_the_same_one_is_refused_and_repeated_finds_it(
    edge: Edge, ward: Ward, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [asks("POST", "Condition", condition(alias, each)) for each in ("same", "more")]
    between(monkeypatch, transactions._Transaction, "commit", lambda: ended(begun(edge, entries[0])))
    with pytest.raises(VersionConflict):
        ended(begun(edge, *entries))
    assert len(ward.reader.ask(f"Condition?patient={alias}").matches) == 1
    assert [each[:3] for each in statuses(send(ward.reader, "transaction", *entries))] == ["200", "201"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_was_taken_back_meanwhile_is_neither_changed_nor_taken_back_again(
    edge: Edge, ward: Ward, alias: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = made(ward.reader, alias, "gone")
    path = f"Condition/{one.body['id']}"
    entry = asks("DELETE", path) if method == "DELETE" else asks("PUT", path, one.body)
    gone = lambda: ended(begun(edge, asks("DELETE", path)))  # noqa: E731
    between(monkeypatch, transactions._Transaction, "commit", gone)
    with pytest.raises(VersionConflict):
        ended(begun(edge, entry, asks("POST", "Condition", condition(alias, "in vain"))))
    assert ward.reader.ask(path).status == 410
    assert ward.reader.ask(f"Condition?patient={alias}").matches == []


def test_a_transaction_that_nobody_waits_for_any_more_leaves_nothing(
    edge: Edge, ward: Ward, alias: str
) -> None:
    steps = begun(
        edge,
        *(
            asks("POST", "Condition", condition(f"{each}", "half"))
            for each in (alias, ward.patient().alias.hex())
        ),
    )
    for _ in range(4):
        next(steps)
    steps.close()
    assert ward.reader.ask(f"Condition?patient={alias}").matches == []
    assert len(ended(begun(edge, asks("GET", f"Patient/{alias}"))).parts) == 1


@pytest.mark.parametrize(("where", "name"), [(together, "finish"), (deposit, "_notify")])
def test_a_transaction_whose_process_dies_once_it_is_planned_is_whole_after_the_next_start(
    edge: Edge, ward: Ward, alias: str, where: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two patients' records and a deletion; it dies before the anchor, or after it and before custodians are told."""
    other = ward.patient().alias.hex()
    gone = made(ward.reader, alias, "gone")

    def dies() -> None:
        raise SystemExit

    between(monkeypatch, where, name, dies)
    entries = [asks("POST", "Condition", condition(each, "both")) for each in (alias, other)]
    with pytest.raises(SystemExit):
        ended(begun(edge, asks("DELETE", f"Condition/{gone.body['id']}"), *entries))
    assert ward.reader.ask(f"Condition/{gone.body['id']}").status == 200
    tend_gateway(ward.network, ward.city)
    ward.writings.look_again()
    for each in (alias, other):
        found = ward.reader.ask(f"Condition?patient={each}").matches
        assert [record["code"]["text"] for record in found] == ["both"]
    assert ward.reader.ask(f"Condition/{gone.body['id']}").status == 410


def entries_unless(alias: str, count: int) -> list[Entry]:
    return [
        asks("POST", "Condition", condition(alias, f"new {each}"), ifNoneExist=f"code=new {each}")
        for each in range(count)
    ]


def test_what_was_written_beside_is_asked_for_once_and_searched_step_by_step(
    edge: Edge, ward: Ward, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once for each entry, in one step in which nobody else is answered."""
    seen, still, asked = {"asked": 0, "steps": 0}, Resolver.still, Leases._asked

    def counted(self: Leases, *given: Any) -> Any:
        seen["asked"] += 1
        return asked(self, *given)

    def stepping(self: Resolver) -> Any:
        made(ward.reader, alias, "beside")
        seen["asked"] = 0
        for each in still(self):
            seen["steps"] += 1
            yield each
        seen["once"] = seen["asked"]

    monkeypatch.setattr(Leases, "_asked", counted)
    monkeypatch.setattr(Resolver, "still", stepping)
    ended(begun(edge, *entries_unless(alias, 5)))
    assert (seen["once"], seen["steps"]) == (1, 5)
    assert len(ward.reader.ask(f"Condition?patient={alias}").matches) == 6


def test_searches_are_not_made_again_for_ever(
    edge: Edge, ward: Ward, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    still, beside = Resolver.still, list[str]()

    def stepping(self: Resolver) -> Any:
        made(ward.reader, alias, "beside")
        for each in still(self):
            beside.append(f"beside {len(beside)}")
            made(ward.reader, alias, beside[-1])
            yield each

    monkeypatch.setattr(Resolver, "still", stepping)
    with pytest.raises(VersionConflict):
        ended(begun(edge, *entries_unless(alias, 1)))
    assert len(beside) == MOST_AGAIN
