"""The release log: tags, the committed map, and what a cosigner accepts."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.adapters.memory.lines import MemoryLines
from careledger.domain.errors import LogForked, MalformedBytes, ProofRefused
from careledger.proofs.release_log import Follower, ReleaseLog, log_entry, split_entry, tag_of
from careledger.proofs.tag_map import (
    EMPTY,
    MapProof,
    TagMap,
    check_absent,
    check_present,
    map_leaf,
    map_node,
)


def a_hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def by_definition(entries: dict[bytes, int], depth: int = 0) -> bytes:
    """The map's root written as docs/formats.md defines it."""
    if not entries:
        return EMPTY
    if len(entries) == 1:
        return map_leaf(*next(iter(entries.items())))
    sides: tuple[dict[bytes, int], dict[bytes, int]] = ({}, {})
    for tag, number in entries.items():
        bit = int.from_bytes(tag, "big") >> (255 - depth) & 1
        sides[bit][tag] = number
    return map_node(by_definition(sides[0], depth + 1), by_definition(sides[1], depth + 1))


def lines(count: int, start: int = 0) -> list[bytes]:
    return [a_hash(f"tag {n}") + a_hash(f"sealed {n}") for n in range(start, start + count)]


# Few distinct first bytes and long shared prefixes, so that deep forks happen.
close_tags = st.builds(
    lambda prefix, last: bytes([prefix]) * 30 + last.to_bytes(2, "big"),
    st.integers(0, 3),
    st.integers(0, 65_535),
)


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(close_tags | st.binary(min_size=32, max_size=32), st.integers(0, 1 << 40), max_size=40)
)
def test_the_maps_root_is_that_of_its_definition_in_any_order(entries: dict[bytes, int]) -> None:
    for order in (list(entries), sorted(entries), sorted(entries, reverse=True)):
        made = TagMap()
        for tag in order:
            made.insert(tag, entries[tag])
        assert made.root() == by_definition(entries)
        assert made.size == len(entries)
        at_once = TagMap()
        at_once.extend([(tag, entries[tag]) for tag in order])
        assert (at_once.root(), at_once.size) == (made.root(), made.size)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(close_tags, st.integers(0, 1000), min_size=1, max_size=40), close_tags)
def test_every_tag_is_either_proved_present_or_proved_absent(entries: dict[bytes, int], asked: bytes) -> None:
    made = TagMap()
    for tag, number in entries.items():
        made.insert(tag, number)
    for tag in {asked, *entries}:
        proof = made.proof(tag)
        if tag in entries:
            check_present(made.root(), tag, entries[tag], proof)
            with pytest.raises(ProofRefused):
                check_absent(made.root(), tag, proof)
            with pytest.raises(ProofRefused):
                check_present(made.root(), tag, entries[tag] + 1, proof)
        else:
            check_absent(made.root(), tag, proof)
            with pytest.raises(ProofRefused):
                check_present(made.root(), tag, 0, proof)


def test_the_empty_map_proves_every_absence() -> None:
    assert TagMap().root() == EMPTY
    check_absent(EMPTY, a_hash("x"), TagMap().proof(a_hash("x")))


def test_no_altered_absence_proof_hides_a_tag_that_is_there() -> None:
    made, chosen = TagMap(), random.Random(7)
    tags = [a_hash(f"tag {n}") for n in range(60)]
    for number, tag in enumerate(tags):
        made.insert(tag, number)
    outcomes: Counter[str] = Counter()
    for tag in tags:
        honest = made.proof(tag)
        neighbour = chosen.choice([other for other in tags if other != tag])
        attempts = {
            "empty there": MapProof(honest.siblings, None),
            "another there": MapProof(honest.siblings, (neighbour, tags.index(neighbour))),
            "another's proof": made.proof(neighbour),
            "cut": MapProof(honest.siblings[:-1], None),
            "cut above": MapProof((), (neighbour, tags.index(neighbour))),
            "longer": MapProof((*honest.siblings, EMPTY), None),
        }
        for name, attempt in attempts.items():
            with pytest.raises(ProofRefused):
                check_absent(made.root(), tag, attempt)
            outcomes[name] += 1
    assert set(outcomes.values()) == {60}
    assert len(outcomes) == 6


def test_a_proof_of_another_form_is_refused() -> None:
    made = TagMap()
    made.insert(a_hash("a"), 1)
    root, tag = made.root(), a_hash("b")
    good = made.proof(tag)
    check_absent(root, tag, good)
    for wrong in (
        MapProof((b"short",), good.met),
        MapProof((bytes(32),) * 257, good.met),
        MapProof(good.siblings, (b"short", 1)),
        MapProof(good.siblings, (a_hash("a"), -1)),
        MapProof(good.siblings, (tag, 1)),
    ):
        with pytest.raises(ProofRefused):
            check_absent(root, tag, wrong)
    with pytest.raises(ProofRefused):
        check_absent(root, b"short", MapProof((), None))


def test_a_tag_is_entered_once() -> None:
    made = TagMap()
    made.insert(a_hash("a"), 1)
    with pytest.raises(ProofRefused):
        made.insert(a_hash("a"), 2)
    with pytest.raises(MalformedBytes):
        made.insert(b"short", 2)
    assert made.size == 1
    for pairs in ([(a_hash("b"), 0), (a_hash("c"), 1), (a_hash("b"), 2)], [(a_hash("b"), 0), (b"short", 1)]):
        with pytest.raises((ProofRefused, MalformedBytes)):
            TagMap().extend(pairs)
    with pytest.raises(ProofRefused):
        ReleaseLog("log.example", [*lines(3), *lines(1)])
    with pytest.raises(LogForked):
        Follower("log.example", MemoryLines([*lines(3), *lines(1)]))


def test_a_copy_stays_as_it_was() -> None:
    made = TagMap()
    made.insert(a_hash("a"), 0)
    before, kept = made.root(), made.copy()
    made.insert(a_hash("b"), 1)
    assert (kept.root(), kept.size) == (before, 1) != (made.root(), made.size)
    check_absent(kept.root(), a_hash("b"), kept.proof(a_hash("b")))


def test_a_tag_is_the_hmac_of_the_entrys_number() -> None:
    key = bytes(range(32))
    assert tag_of(key, 5) == hmac.digest(key, (5).to_bytes(8, "big"), "sha256")
    assert len({tag_of(key, n) for n in range(100)}) == 100
    with pytest.raises(MalformedBytes):
        tag_of(key[:-1], 5)


def test_an_entry_is_tag_and_digest() -> None:
    tag, sealed = a_hash("t"), a_hash("s")
    assert split_entry(log_entry(tag, sealed)) == (tag, sealed)
    with pytest.raises(MalformedBytes):
        log_entry(tag[:-1], sealed)
    with pytest.raises(MalformedBytes):
        split_entry(tag + sealed + b"\x00")


def test_a_log_made_again_from_its_entries_has_the_same_head() -> None:
    log = ReleaseLog("log.example", lines(20))
    again = ReleaseLog("log.example", log.entries(0, 20))
    assert again.head().checkpoint == log.head().checkpoint
    assert log.head().checkpoint.size == 20
    assert log.head().checkpoint.root == log.tree.root()


def test_a_head_keeps_proving_while_the_log_grows() -> None:
    log = ReleaseLog("log.example", lines(10))
    head = log.head()
    later = split_entry(lines(1, start=10)[0])
    log.append(*later)
    assert head.checkpoint == ReleaseLog("log.example", lines(10)).head().checkpoint
    line = head.line(a_hash("tag 4"))
    assert (line.number, line.sealed) == (4, a_hash("sealed 4"))
    check_absent(head.checkpoint.map_root, later[0], head.absence(later[0]))
    with pytest.raises(ProofRefused):
        log.head().absence(later[0])
    with pytest.raises(ProofRefused):
        head.line(later[0])


def test_a_log_refuses_a_tag_that_it_has_and_stays_as_it_was() -> None:
    log = ReleaseLog("log.example", lines(3))
    before = log.head().checkpoint
    with pytest.raises(ProofRefused):
        log.append(a_hash("tag 1"), a_hash("sealed 9"))
    assert log.head().checkpoint == before


def test_a_cosigner_follows_a_growing_log() -> None:
    log, kept = ReleaseLog("log.example"), MemoryLines()
    follower = Follower("log.example", kept)
    for size in (0, 1, 1, 7, 40, 90, 300):
        for entry in lines(size - log.size, start=log.size):
            log.append(*split_entry(entry))
        follower.follow(log.head().checkpoint, log.entries(kept.size(), log.size))
        kept.add(log.entries(kept.size(), log.size))
        assert follower.size == size
    assert Follower("log.example", MemoryLines(log.entries(0, 40))).size == 40


def test_a_cosigner_refuses_every_fork_and_accepts_the_honest_log_afterwards() -> None:
    log, follower = ReleaseLog("log.example", lines(12)), Follower("log.example", MemoryLines(lines(8)))
    honest, more = log.head().checkpoint, lines(4, start=8)
    rewritten = ReleaseLog("log.example", [*lines(1, start=99), *lines(11, start=1)])
    repeated = [*more[:3], a_hash("tag 2") + a_hash("sealed 2")]
    tree_of_repeated = dataclasses.replace(honest, root=a_hash("x"))
    forks = [
        (rewritten.head().checkpoint, more),
        (dataclasses.replace(honest, map_root=a_hash("x")), more),
        (dataclasses.replace(honest, root=a_hash("x")), more),
        (dataclasses.replace(honest, size=13), more),
        (dataclasses.replace(honest, origin="log.other"), more),
        (ReleaseLog("log.example", lines(7)).head().checkpoint, []),
        (tree_of_repeated, repeated),
        (honest, more[:-1]),
        (honest, [*more[:-2], more[-1], more[-2]]),
    ]
    for checkpoint, entries in forks:
        with pytest.raises(LogForked):
            follower.follow(checkpoint, entries)
        assert follower.size == 8
    follower.follow(honest, more)
    assert follower.size == 12


def test_a_log_that_hides_a_tag_from_its_map_gets_no_cosignature() -> None:
    entries = lines(6)
    log = ReleaseLog("log.example", entries)
    hiding = TagMap()
    for number, entry in enumerate(entries[:5]):
        hiding.insert(entry[:32], number)
    forged = dataclasses.replace(log.head().checkpoint, map_root=hiding.root())
    with pytest.raises(LogForked):
        Follower("log.example", MemoryLines()).follow(forged, entries)


def test_a_tag_that_stands_where_it_does_not_belong_proves_no_absence() -> None:
    """A custodian might commit to a map that is not well formed; cosigners refuse it, and so does the reader."""
    low, high, asked = bytes(32), b"\xff" * 32, b"\x01" * 32
    swapped = map_node(map_leaf(high, 1), map_leaf(low, 0))
    with pytest.raises(ProofRefused):
        check_absent(swapped, asked, MapProof((map_leaf(low, 0),), (high, 1)))
    straight = map_node(map_leaf(low, 0), map_leaf(high, 1))
    check_absent(straight, asked, MapProof((map_leaf(high, 1),), (low, 0)))
