"""RFC 9162 §2.1 trees: public vectors, the definition itself as oracle, and every refusal."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.domain.errors import MalformedBytes, ProofRefused
from careledger.proofs import merkle

# The eight entries and roots that Certificate Transparency's implementations publish for RFC 6962;
# RFC 9162 §2.1 kept the hashing unchanged.
PUBLIC_ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
PUBLIC_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def by_definition(entries: list[bytes]) -> bytes:
    """MTH exactly as RFC 9162 §2.1.1 writes it."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + by_definition(entries[:k]) + by_definition(entries[k:])).digest()


def numbered(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(size)]


def test_the_public_roots_are_reproduced() -> None:
    tree = merkle.Tree(PUBLIC_ENTRIES)
    for size, expected in enumerate(PUBLIC_ROOTS, start=1):
        assert merkle.root(PUBLIC_ENTRIES[:size]).hex() == expected
        assert tree.root(size).hex() == expected


def test_the_public_inclusion_and_consistency_proofs_are_reproduced() -> None:
    tree = merkle.Tree(PUBLIC_ENTRIES)
    assert [node.hex() for node in tree.path(5, 8)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [node.hex() for node in tree.consistency(6, 8)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=70))
def test_every_way_to_a_root_gives_the_root_of_the_definition(entries: list[bytes]) -> None:
    expected = by_definition(entries)
    hashes = [merkle.leaf_hash(entry) for entry in entries]
    assert merkle.root(entries) == expected
    assert merkle.Tree(entries).root() == expected
    assert merkle.Tree.of_hashes(hashes).root() == expected
    for at in range(len(entries)):
        tree = merkle.Tree(entries[:at])
        tree.extend(entries[at:])
        assert tree.root() == expected
        assert tree.path(at) == merkle.inclusion_path(entries, at)


def test_a_frontier_that_was_kept_continues_the_same_tree() -> None:
    entries = numbered(40)
    for size in range(40):
        kept = merkle.Frontier()
        for entry in entries[:size]:
            kept.append(entry)
        again = merkle.Frontier(kept.size, kept.edge)
        assert again.append(entries[size]) == size
        assert again.root() == by_definition(entries[: size + 1])


@pytest.mark.parametrize(("size", "edge"), [(1, []), (0, [bytes(32)]), (2, [bytes(31)]), (-1, [bytes(32)])])
def test_an_edge_of_another_size_is_refused(size: int, edge: list[bytes]) -> None:
    with pytest.raises(MalformedBytes):
        merkle.Frontier(size, edge)


def test_each_path_proves_its_entry_and_no_other_place_size_or_entry() -> None:
    outcomes: Counter[str] = Counter()
    for size in range(1, 18):
        tree = merkle.Tree(numbered(size))
        for index in range(size):
            path = tree.path(index)
            merkle.check_inclusion(tree.root(), size, index, b"entry %d" % index, path)
            outcomes["proved"] += 1
            for other in range(size):
                with pytest.raises(ProofRefused):
                    merkle.check_inclusion(tree.root(), size, other, b"entry %d" % (index + 1), path)
                outcomes["other entry"] += 1
            for elsewhere in set(range(size)) - {index}:
                with pytest.raises(ProofRefused):
                    merkle.check_inclusion(tree.root(), size, elsewhere, b"entry %d" % index, path)
                outcomes["other place"] += 1
    assert outcomes == {"proved": 153, "other entry": 1785, "other place": 1632}


@pytest.mark.parametrize("size", [2, 3, 5, 8, 13])
def test_a_path_that_is_longer_shorter_altered_or_ill_formed_is_refused(size: int) -> None:
    tree = merkle.Tree(numbered(size))
    path = tree.path(1)
    altered = [bytes([path[0][0] ^ 1]) + path[0][1:], *path[1:]]
    for wrong in (path[:-1], [*path, bytes(32)], altered, [*path[::-1], b""], [*path[:-1], path[-1][:31]]):
        with pytest.raises(ProofRefused):
            merkle.check_inclusion(tree.root(), size, 1, b"entry 1", wrong)
    for index in (-1, size):
        with pytest.raises(ProofRefused):
            merkle.check_inclusion(tree.root(), size, index, b"entry 1", path)
    with pytest.raises(ProofRefused):
        tree.path(size)


def test_a_tree_that_continues_another_is_proved_and_a_rewritten_one_is_refused() -> None:
    outcomes: Counter[str] = Counter()
    for new in range(1, 18):
        tree = merkle.Tree(numbered(new))
        for old in range(new + 1):
            path = tree.consistency(old)
            merkle.check_consistency(old, tree.root(old), new, tree.root(), path)
            outcomes["proved"] += 1
            if old == 0:
                continue
            rewritten = merkle.Tree([b"rewritten", *numbered(new)[1:]])
            for wrong_old, wrong_new in (
                (rewritten.root(old), tree.root()),
                (tree.root(old), rewritten.root()),
            ):
                with pytest.raises(ProofRefused):
                    merkle.check_consistency(old, wrong_old, new, wrong_new, path)
                outcomes["rewritten"] += 1
            for wrong in ([*path, bytes(32)], path[:-1] if path else [bytes(32)]):
                with pytest.raises(ProofRefused):
                    merkle.check_consistency(old, tree.root(old), new, tree.root(), wrong)
                outcomes["altered"] += 1
    assert outcomes == {"proved": 170, "rewritten": 306, "altered": 306}


def test_a_smaller_tree_does_not_continue_a_larger_one() -> None:
    tree = merkle.Tree(numbered(5))
    with pytest.raises(ProofRefused):
        merkle.check_consistency(5, tree.root(), 4, tree.root(4), [])
    with pytest.raises(ProofRefused):
        tree.consistency(5, 4)
    with pytest.raises(ProofRefused):
        merkle.check_consistency(0, bytes(32), 5, tree.root(), [])
