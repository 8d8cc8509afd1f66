"""The index's file: what is asked of it is what a walk through everything gives; without its key it is nothing."""

from __future__ import annotations

import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from careledger.adapters.index import file as index_file
from careledger.adapters.index.file import WritingsFile, remove
from careledger.domain.errors import StoreCorrupt
from careledger.formats.charts import AuthorsCopy
from careledger.formats.indexing import Demand, Entry, Filed, Range
from index_sight import meets

KEY = bytes(range(32))
NORMAL, OTHER = 6, 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "organisations" / "writings.index"


@pytest.fixture
def made(path: Path) -> Iterator[WritingsFile]:
    opened = WritingsFile(path, KEY)
    yield opened
    opened.close()


def filed(
    at: int, kind: str = "Condition", compartment: int = NORMAL, record: int = -1, made: int = 0
) -> Filed:
    name = (at if record < 0 else record).to_bytes(16, "big")
    handle, alias = at.to_bytes(32, "big"), (at % 3).to_bytes(32, "big")
    copy = AuthorsCopy(alias, handle, compartment, name, bytes(36), bytes(48), bytes(32), b"", handle[::-1])
    return Filed(0, kind, name, (at % 5).to_bytes(16, "big"), made or at, 0, False, copy)


def found(of: WritingsFile, *demands: Demand, after: int = 0, most: int = 100) -> list[int]:
    return [
        int.from_bytes(each.copy.handle, "big")
        for each in of.select("Condition", [NORMAL], demands, after, most)
    ]


def test_what_is_filed_is_found_by_its_values_and_lies_there_encrypted(
    path: Path, made: WritingsFile
) -> None:
    made.add([(filed(1), [Entry("name", "marked rahima", 0)]), (filed(2), [Entry("name", "karim", 0)])])
    begins = (Range("name", "marked", "marked\U0010ffff"),)
    assert found(made, begins) == [1]
    files = list(path.parent.iterdir())
    assert len(files) >= 2
    for each in files:
        assert stat.S_IMODE(each.stat().st_mode) & 0o077 == 0, each
        assert not any(word in each.read_bytes() for word in (b"marked", b"rahima", b"Condition", b"SQLite"))
    made.close()
    assert found(WritingsFile(path, KEY), begins) == [1]


@pytest.mark.parametrize("key", [bytes(32), KEY[::-1]])
def test_another_key_opens_nothing(path: Path, made: WritingsFile, key: bytes) -> None:
    made.add([(filed(1), [])])
    made.close()
    with pytest.raises(StoreCorrupt):
        WritingsFile(path, key)
    remove(path)
    assert not list(path.parent.iterdir())


def test_a_changed_page_is_noticed_and_never_read(path: Path, made: WritingsFile) -> None:
    made.add((filed(at), [Entry("name", f"name {at}", 0)]) for at in range(2_000))
    made.close()
    whole = path.read_bytes()
    refused = 0
    for at in range(5_000, len(whole), len(whole) // 12):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            opened = WritingsFile(path, KEY)
            opened.check()
        except StoreCorrupt:
            refused += 1
        remove(Path(f"{path}-wal"))
    assert refused >= 11
    path.write_bytes(whole)
    WritingsFile(path, KEY).check()


def test_a_search_finds_what_a_walk_through_everything_finds(
    made: WritingsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice, all_there = random.Random(7), []
    for at in range(1, 400):
        entries = [Entry("code", dice.randrange(12), 0)] + [Entry("word", dice.choice("abc") * 3, 0)] * (
            at % 2
        )
        low = dice.randrange(100)
        entries.append(Entry("date", low, low + dice.randrange(3)))
        kind = dice.choice(["Condition", "Condition", "Observation"])
        all_there.append((filed(at, kind, dice.choice([NORMAL, NORMAL, OTHER])), entries))
    made.add(all_there)
    counts = {"some": 0, "none": 0}
    for few in (0, 20, 5_000):  # so that each of the ways to go through them is taken
        monkeypatch.setattr(index_file, "FEW", few)
        for _ in range(150):
            demands = [asked(dice) for _ in range(dice.randrange(4))]
            after, most = dice.choice([0, 50, 300]), dice.choice([1, 7, 1_000])
            expected = [
                at
                for at, (each, entries) in enumerate(all_there, start=1)
                if at > after and each.kind == "Condition" and each.copy.compartment == NORMAL
                and all(meets(entries, demand) for demand in demands)
            ][:most]  # fmt: skip
            assert found(made, *demands, after=after, most=most) == expected, (few, demands, after, most)
            counts["some" if expected else "none"] += 1
    assert counts["some"] > 100
    assert counts["none"] > 20


def asked(dice: random.Random) -> Demand:
    at = dice.randrange(100)
    exact = Range("code", dice.randrange(13), None)
    exact = exact._replace(low_to=exact.low_from)
    return dice.choice(
        [
            (exact,),
            (exact, Range("word", "aaa", "aaa")),
            (Range("word", "b", "b\U0010ffff"),),
            (Range("date", at, None, None, at + 20),),
            (Range("date", None, at, at),),
            (Range("never", 1, 1),),
        ]
    )


def test_only_the_newest_version_that_was_not_taken_back_is_found(made: WritingsFile) -> None:
    made.add((filed(at, record=9, made=at), [Entry("code", at, 0)]) for at in (1, 2, 3))
    assert found(made) == [3]
    made.take_back({filed(3).copy.handle: 70})
    assert (found(made), found(made, (Range("code", 3, 3),))) == ([2], [])
    assert [int.from_bytes(each.copy.handle, "big") for each in made.versions(filed(9).name)] == [1, 2, 3]
    assert [each.made for each in made.history("", [NORMAL], (99, 0), 0, 9)] == [2, 1]
    made.drop("deposit", [filed(2).deposit])
    assert found(made) == [1]
    made.drop("leaf", [filed(1).copy.leaf])
    assert (found(made), made.size()) == ([], 1)


def test_a_history_is_in_the_order_of_writing_whatever_order_it_was_filed_in(made: WritingsFile) -> None:
    for at in (3, 1, 2):
        made.add([(filed(at, record=at, made=at), [])])
    pages, before = [], (99, 0)
    while found := made.history("", [NORMAL], before, 0, 1):
        before = (found[0].made, found[0].row)
        pages.append(found[0].made)
    assert pages == [3, 2, 1]


def test_a_record_is_gone_when_its_last_version_was_taken_back(made: WritingsFile) -> None:
    made.add((filed(at, record=at // 2, made=at), [Entry("code", at, 0)]) for at in (2, 3, 4, 6))
    made.add([(filed(8, compartment=OTHER, made=8), [])])

    def gone(before: tuple[int, int] = (99, 0), since: int = 0, kind: str = "") -> list[tuple[int, int]]:
        found = made.removed(kind, [NORMAL], before, since, 9)
        return [(int.from_bytes(each.copy.handle, "big"), each.back) for each in found]

    made.take_back({filed(3).copy.handle: 50, filed(8).copy.handle: 51})
    assert gone() == []  # one version stands, the other record is of another compartment
    made.take_back({filed(2).copy.handle: 60, filed(3).copy.handle: 61, filed(6).copy.handle: 40})
    assert gone() == [(2, 60), (6, 40)]
    assert (gone((60, 1)), gone(since=41), gone(kind="Observation")) == ([(6, 40)], [(2, 60)], [])
    assert [each.made for each in made.history("", [NORMAL], (99, 0), 0, 9)] == [4]


@pytest.mark.parametrize("many", [1, 501, 2_000])
def test_as_many_alternatives_as_a_search_may_have_are_looked_for(made: WritingsFile, many: int) -> None:
    made.add([(filed(1), [Entry("code", 7, 0)])])
    wanted = tuple(Range("code", at, at) for at in range(7, 7 + many))
    assert found(made, wanted) == [1]
    assert found(made, (Range("code", 7, 7),), wanted) == [1]
    assert found(made, wanted[1:] or (Range("code", 8, 8),)) == []


def test_what_is_filed_twice_is_there_once_and_a_crash_between_leaves_nothing_half(
    path: Path, made: WritingsFile
) -> None:
    made.add([(filed(1), [Entry("code", 1, 0)])])
    made.add([(filed(1), [Entry("code", 1, 0)]), (filed(2), [])])
    assert (found(made), made.size()) == ([1, 2], 2)

    def broken() -> Iterator[tuple[Filed, list[Entry]]]:
        yield filed(3), [Entry("code", 3, 0)]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.add(broken())
    assert found(made) == [1, 2]
    assert made.taken(b"", b"\xff") == set()
    made.take(b"name")
    made.close()
    again = WritingsFile(path, KEY)
    assert (found(again), again.taken(b"", b"\xff")) == ([1, 2], {b"name"})
