"""The vectors of docs/vectors/proofs.json, read by the code that makes and checks proofs and blocks."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.blocks.memory import MemoryBlocks
from careledger.adapters.blocks.store import SegmentBlocks
from careledger.adapters.memory.lines import MemoryLines
from careledger.domain.errors import CareLedgerError, MalformedBytes, ProofRefused
from careledger.domain.facts import CheckpointFacts
from careledger.formats import cids
from careledger.formats.deposits import Items
from careledger.formats.large import Index, Joined, decode_node
from careledger.formats.proofs import AuditProof
from careledger.proofs import merkle
from careledger.proofs.anchors import LeafOpening, check_share, share_commitment
from careledger.proofs.audit import check_audit
from careledger.proofs.bundle import verify_file
from careledger.proofs.checkpoints import cosigners_of, open_checkpoint
from careledger.proofs.items import ItemTree, check_item, item_digest, leaf_of
from careledger.proofs.notes import KeyKind, NoteKey, VerifierKey
from careledger.proofs.release_log import Follower, KeptLog, ReleaseLog, sealed_digest, tag_of
from careledger.proofs.runs import Run, leaf_hashes
from careledger.proofs.tag_map import MapProof, TagMap, check_absent, check_present

ROOT = Path(__file__).resolve().parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "docs/vectors/proofs.json").read_text(encoding="utf-8"))
unhex = bytes.fromhex
TREE, BLOCKS, NOTES, LOG, PROOFS = (VECTORS[name] for name in ("merkle", "blocks", "notes", "log", "proofs"))


def hashes(case: dict[str, Any], field: str = "path") -> list[bytes]:
    return [unhex(node) for node in case[field]]


def test_the_vectors_are_what_the_script_makes() -> None:
    script = ROOT / "docs/vectors/make_proofs.py"
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0


def test_trees_follow_the_vectors() -> None:
    entries = [unhex(entry) for entry in TREE["entries"]]
    assert [merkle.root(entries[:size]).hex() for size in range(9)] == TREE["roots"]
    for case in TREE["inclusion"]:
        assert merkle.inclusion_path(entries[: case["size"]], case["index"]) == hashes(case)
        merkle.check_inclusion(
            unhex(case["root"]), case["size"], case["index"], entries[case["index"]], hashes(case)
        )
    for case in TREE["consistency"]:
        sides = (case["old"], unhex(case["old_root"]), case["new"], unhex(case["new_root"]))
        merkle.check_consistency(*sides, hashes(case))
    assert (len(TREE["inclusion"]), len(TREE["consistency"])) == (36, 44)


@pytest.mark.parametrize("case", TREE["refused_inclusion"], ids=lambda case: case["why"])
def test_an_inclusion_proof_of_the_refused_vectors_is_refused(case: dict[str, Any]) -> None:
    entry = unhex(TREE["entries"][7])
    with pytest.raises(ProofRefused):
        merkle.check_inclusion(unhex(case["root"]), case["size"], case["index"], entry, hashes(case))


@pytest.mark.parametrize("case", TREE["refused_consistency"], ids=lambda case: case["why"])
def test_a_consistency_proof_of_the_refused_vectors_is_refused(case: dict[str, Any]) -> None:
    sides = (case["old"], unhex(case["old_root"]), case["new"], unhex(case["new_root"]))
    with pytest.raises(ProofRefused):
        merkle.check_consistency(*sides, hashes(case))


def test_leaves_and_shares_follow_the_vectors() -> None:
    case = VECTORS["anchors"]
    for share in case["shares"]:
        value = unhex(share["share"])
        assert share_commitment(share["place"], value).hex() == share["commitment"]
        check_share(unhex(case["commitments"]), 5, share["place"], value, hashes(share))
    names = ("handle", "header", "manifest", "body", "commitments")
    assert LeafOpening(*(unhex(case[name]) for name in names)).leaf.hex() == case["leaf"]


def test_items_and_runs_follow_the_vectors() -> None:
    case, run = VECTORS["items"], VECTORS["items"]["run"]
    items = Items.decode(unhex(case["columns"])).rows()
    tree = ItemTree(Items.of(items))
    assert [leaf.hex() for leaf in tree.leaves] == case["leaves"]
    assert tree.leaves == [LeafOpening(*item[:5]).leaf for item in items]
    assert [item_digest(item, leaf_of(item)).hex() for item in items] == case["digests"]
    assert tree.root == merkle.root(map(unhex, case["digests"])) == unhex(case["root"])
    for at, (item, path) in enumerate(zip(items, case["paths"], strict=True)):
        check_item(tree.root, len(items), at, item, leaf_of(item), [unhex(node) for node in path])
    known = Run(run["size"], run["first"], leaf_hashes(tree.leaves), [unhex(node) for node in run["outside"]])
    known.check(unhex(run["root"]))
    for at, path in enumerate(run["paths"]):
        assert [node.hex() for node in known.path(run["first"] + at)] == path


def test_identifiers_follow_the_vectors() -> None:
    make = {"raw": cids.raw_cid, "dag-cbor": cids.dag_cbor_cid, "chunk": cids.chunk_cid}
    for case in BLOCKS["identifiers"]:
        cid = make[case["codec"]](unhex(case["data"]))
        assert (cid.hex(), cids.text(cid)) == (case["cid"], case["text"])
        assert cids.parse(case["text"]) == cid
    for refused in BLOCKS["refused_texts"]:
        with pytest.raises(MalformedBytes):
            cids.parse(refused)


def test_segments_indexes_and_car_files_follow_the_vectors(tmp_path: Path) -> None:
    SegmentBlocks(tmp_path).close()
    (tmp_path / "00000001.seg").write_bytes(unhex(BLOCKS["segment"]))
    with SegmentBlocks(tmp_path) as store:
        assert [store.get(cids.raw_cid(block)) for block in (b"one", b"")] == [b"one", b""]
        assert store.get(cids.chunk_cid(b"chunk")) == b"chunk"
        assert store.verify().sound
    index = Index.decode(unhex(BLOCKS["index"]["encoding"]))
    assert index.size == BLOCKS["index"]["size"]
    assert [link.hex() for link in index.links] == BLOCKS["index"]["links"]
    assert cids.text(cids.dag_cbor_cid(index.encode())) == BLOCKS["index"]["cid"]
    joined = decode_node(unhex(BLOCKS["joined"]["encoding"]))
    assert joined == Joined(unhex(BLOCKS["joined"]["body"]), unhex(BLOCKS["joined"]["content"]))
    assert cids.text(cids.dag_cbor_cid(joined.encode())) == BLOCKS["joined"]["cid"]
    other = MemoryBlocks()
    assert other.import_car(io.BytesIO(unhex(BLOCKS["car"]))) == (cids.raw_cid(b"one"), cids.raw_cid(b"two"))
    assert other.get(cids.raw_cid(b"two")) == b"two"


def test_notes_follow_the_vectors() -> None:
    log, witness = VerifierKey.parse(NOTES["log"]["vkey"]), VerifierKey.parse(NOTES["witness"]["vkey"])
    assert NoteKey(log.name, KeyKind.LOG, unhex(NOTES["log"]["seed"])).verifier == log
    assert NoteKey(witness.name, KeyKind.COSIGNER, unhex(NOTES["witness"]["seed"])).verifier == witness
    point, note = open_checkpoint(NOTES["note"].encode(), log)
    case = NOTES["checkpoint"]
    assert point.text == case["text"]
    assert (point.size, point.root.hex(), point.map_root.hex(), point.digest.hex()) == (
        case["size"],
        case["root"],
        case["map_root"],
        case["digest"],
    )
    assert cosigners_of(note, [witness]) == {witness.name: NOTES["witness"]["time"]}


@pytest.mark.parametrize("case", NOTES["refused_notes"], ids=lambda case: case["why"])
def test_a_note_of_the_refused_vectors_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(CareLedgerError):
        open_checkpoint(case["note"].encode(), VerifierKey.parse(NOTES["log"]["vkey"]))


def proof_of(case: dict[str, Any]) -> MapProof:
    met = case["met"]
    return MapProof(
        tuple(hashes(case, "siblings")), None if met is None else (unhex(met["tag"]), met["number"])
    )


def test_the_log_and_its_map_follow_the_vectors() -> None:
    key, entries = unhex(LOG["audit_key"]), [unhex(entry) for entry in LOG["entries"]]
    assert [tag_of(key, number).hex() for number in range(4)] == LOG["tags"]
    assert [sealed_digest(case["data"].encode()).hex() for case in LOG["sealed"]] == [
        case["digest"] for case in LOG["sealed"]
    ]
    made = TagMap()
    assert made.root().hex() == LOG["map_roots"][0]
    for number, entry in enumerate(entries):
        made.insert(entry[:32], number)
        assert made.root().hex() == LOG["map_roots"][number + 1]
    present, absent = LOG["present"], LOG["absent"]
    check_present(made.root(), unhex(present["tag"]), present["number"], proof_of(present))
    check_absent(made.root(), unhex(absent["tag"]), proof_of(absent))
    for case in LOG["refused_absent"]:
        with pytest.raises(ProofRefused):
            check_absent(made.root(), unhex(case["tag"]), proof_of(case))
    head = ReleaseLog("log.example/1", entries).head().checkpoint
    assert head.text == NOTES["checkpoint"]["text"]
    Follower("log.example/1", MemoryLines()).follow(head, entries)
    assert KeptLog("log.example/1", MemoryLines(entries)).head().checkpoint == head


def test_audit_proofs_and_files_follow_the_vectors() -> None:
    point = NOTES["checkpoint"]
    facts = CheckpointFacts(
        7, point["size"], unhex(point["root"]), unhex(point["map_root"]), 10, 1, frozenset()
    )
    digests = [unhex(case["digest"]) for case in LOG["sealed"]]
    proof, key = AuditProof.decode(unhex(PROOFS["audit_proof"])), unhex(LOG["audit_key"])
    assert check_audit(proof, key, digests, VerifierKey.parse(NOTES["log"]["vkey"]), facts).count == 3
    for case in PROOFS["files"]:
        assert verify_file(unhex(case["file"])) == case["says"]
    for case in PROOFS["refused_files"]:
        with pytest.raises(CareLedgerError):
            verify_file(unhex(case["file"]))
    assert (len(PROOFS["files"]), len(PROOFS["refused_files"])) == (2, 4)
