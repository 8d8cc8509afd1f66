"""Tiles and entry bundles as tlog-tiles describes them, and reading a log from hostile files."""

from __future__ import annotations

from collections import Counter

import pytest

from careledger.domain.errors import CareLedgerError, MalformedBytes, ProofRefused
from careledger.proofs import tiles
from careledger.proofs.merkle import Tree, check_consistency, check_inclusion


def entries_of(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(size)]


def files_of(size: int, steps: tuple[int, ...] = ()) -> tuple[dict[str, bytes], Tree]:
    tree, entries, old = Tree(entries_of(size)), entries_of(size), 0
    files: dict[str, bytes] = {}
    for new in (*steps, size):
        files |= tiles.new_tiles(tree, old, new) | tiles.new_bundles(entries, old, new)
        old = new
    return files, tree


@pytest.mark.parametrize(
    ("index", "written"), [(0, "000"), (67, "067"), (1000, "x001/000"), (1234067, "x001/x234/067")]
)
def test_indexes_are_written_in_groups_of_three_digits(index: int, written: str) -> None:
    assert tiles.tile_path(3, index) == f"tile/3/{written}"
    assert tiles.tile_path(3, index, 5) == f"tile/3/{written}.p/5"
    assert tiles.entries_path(index) == f"tile/entries/{written}"


@pytest.mark.parametrize(
    ("level", "index", "width"), [(64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)]
)
def test_a_tile_that_cannot_be_is_refused(level: int, index: int, width: int) -> None:
    with pytest.raises(ProofRefused):
        tiles.tile_path(level, index, width)


def test_seventy_thousand_entries_need_the_files_that_the_specification_names() -> None:
    tree = Tree.of_hashes(number.to_bytes(32, "big") for number in range(70_000))
    files = tiles.new_tiles(tree, 0, 70_000)
    expected = {tiles.tile_path(0, index): 8192 for index in range(273)}
    expected |= {
        "tile/0/273.p/112": 112 * 32,
        "tile/1/000": 8192,
        "tile/1/001.p/17": 17 * 32,
        "tile/2/000.p/1": 32,
    }
    assert {path: len(data) for path, data in files.items()} == expected
    assert files["tile/1/001.p/17"][:32] == tree.node(8, 256)


def test_a_full_level_has_a_partial_tile_above_it() -> None:
    files = tiles.new_tiles(Tree(entries_of(256)), 0, 256)
    assert set(files) == {"tile/0/000", "tile/1/000.p/1"}


def test_growing_step_by_step_leaves_the_files_of_the_whole() -> None:
    grown, _ = files_of(600, steps=(1, 5, 255, 256, 257, 511, 512))
    whole, _ = files_of(600)
    assert whole.items() <= grown.items()
    assert "tile/0/000.p/5" in grown
    tree = Tree(entries_of(600))
    assert set(tiles.new_tiles(tree, 512, 513)) == {"tile/0/002.p/1", "tile/1/000.p/2"}
    assert tiles.new_tiles(tree, 600, 600).keys() <= whole.keys()


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600])
def test_everything_read_from_the_files_is_proved(size: int) -> None:
    files, tree = files_of(size)
    reader = tiles.TileReader(files, size, tree.root())
    for index in {0, size // 3, size // 2, max(0, size - 257), size - 1}:
        assert reader.entry(index) == b"entry %d" % index
        assert reader.path(index) == tree.path(index)
        check_inclusion(tree.root(), size, index, b"entry %d" % index, reader.path(index))
    for old in {0, 1, size // 2, size}:
        proof = reader.consistency(old, tree.root(old))
        check_consistency(old, tree.root(old), size, tree.root(), proof)
        assert proof == tree.consistency(old)
    assert reader.tree().root() == tree.root()


def test_an_older_head_is_read_from_the_fuller_files() -> None:
    files, tree = files_of(600)
    reader = tiles.TileReader(files, 300, tree.root(300))
    assert set(files).isdisjoint({"tile/0/001.p/44", "tile/1/000.p/1"})
    with pytest.raises(ProofRefused):  # tile/1/000 is still partial: the log must keep what its heads needed
        reader.entry(299)
    kept = files | tiles.new_tiles(tree, 0, 300)
    assert tiles.TileReader(kept, 300, tree.root(300)).entry(299) == b"entry 299"
    full, tree = files_of(256 * 3)
    assert tiles.TileReader(full, 256, tree.root(256)).entry(255) == b"entry 255"


def test_a_log_that_was_rewritten_does_not_continue_the_old_head() -> None:
    files, tree = files_of(300)
    other = Tree([b"another", *entries_of(300)[1:]])
    with pytest.raises(ProofRefused):
        tiles.TileReader(files, 300, tree.root()).consistency(150, other.root(150))


def test_entries_outside_the_log_are_refused() -> None:
    files, tree = files_of(3)
    for index in (-1, 3):
        with pytest.raises(ProofRefused):
            tiles.TileReader(files, 3, tree.root()).entry(index)


def test_every_altered_cut_or_missing_file_that_is_needed_is_noticed() -> None:
    files, tree = files_of(300)
    outcomes: Counter[str] = Counter()
    for path, data in files.items():
        for what, hostile in (
            ("altered", bytes([data[0] ^ 1]) + data[1:]),
            ("altered at the end", data[:-1] + bytes([data[-1] ^ 1])),
            ("cut", data[:-1]),
            ("missing", None),
        ):
            changed = {known: held for known, held in files.items() if known != path}
            if hostile is not None:
                changed[path] = hostile
            reader = tiles.TileReader(changed, 300, tree.root())
            with pytest.raises(CareLedgerError):
                [reader.entry(index) for index in (0, 255, 256, 299)]
            outcomes[what] += 1
    assert outcomes == {"altered": 5, "altered at the end": 5, "cut": 5, "missing": 5}


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x02a", b"\x00\x01ab"])
def test_a_bundle_of_another_form_is_refused(data: bytes) -> None:
    assert tiles.decode_bundle(tiles.encode_bundle([b"", b"ab"])) == [b"", b"ab"]
    with pytest.raises(MalformedBytes):
        tiles.decode_bundle(data)


def test_an_entry_that_does_not_fit_its_length_is_refused() -> None:
    assert len(tiles.encode_bundle([bytes(65_535)])) == 65_537
    with pytest.raises(MalformedBytes):
        tiles.encode_bundle([bytes(65_536)])


def test_a_path_names_a_file_in_one_spelling_and_anything_else_names_none() -> None:
    for level, index, width in (
        (0, 0, 256),
        (5, 1_234_067, 1),
        (63, 999, 255),
        (None, 1_000, 256),
        (None, 7, 3),
    ):
        file = tiles.TileFile(level, index, width)
        assert tiles.TileFile.parse(file.path) == file
    for path in (
        "checkpoint",
        "tile/0/1",
        "tile/00/000",
        "tile/0/x000/001",
        "tile/0/000.p/256",
        "tile/64/000",
    ):
        with pytest.raises(ProofRefused):
            tiles.TileFile.parse(path)
    assert tiles.TileFile(1, 0, 2).under(512)
    assert not tiles.TileFile(1, 0, 2).under(511)
    assert tiles.TileFile(None, 1, 44).under(300)
    assert not tiles.TileFile(None, 1, 45).under(300)
