"""Writes proofs.json: trees, leaves, identifiers, notes, the map, audit proofs and proof files, good and refused.

python docs/vectors/make_proofs.py [--check]
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from careledger.adapters.blocks.car import write_car
from careledger.adapters.blocks.segments import FILE_MAGIC, frame
from careledger.formats.cids import chunk_cid, dag_cbor_cid, raw_cid, text
from careledger.formats.custody import AttestedFact
from careledger.formats.deposits import DepositItem, Items
from careledger.formats.digests import uint
from careledger.formats.large import CHUNK, Index, Joined
from careledger.formats.proofs import AnchoredIn
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.proofs.anchors import AnchorBatch, Commitments, LeafOpening, share_commitment
from careledger.proofs.audit import make_proof
from careledger.proofs.bundle import anchoring_file, audit_file, checkpoint_fact, verify_file
from careledger.proofs.checkpoints import cosign
from careledger.proofs.items import ItemTree, item_digest
from careledger.proofs.merkle import Tree
from careledger.proofs.notes import KeyKind, NoteKey
from careledger.proofs.release_log import ReleaseLog, sealed_digest, tag_of
from careledger.proofs.tag_map import MapProof, TagMap

FILE = Path(__file__).with_name("proofs.json")
ENTRIES = (
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)
DEPLOYMENT, BLOCK_HASH = bytes(range(32)), bytes(range(32, 64))
AUDIT_KEY = bytes(range(64, 96))
LOG = NoteKey("log.example/1", KeyKind.LOG, bytes(range(32)))
WITNESS = NoteKey("witness.example/1", KeyKind.COSIGNER, bytes(range(1, 33)))
CUSTODIAN_KEY = SigningKey(bytes(31) + b"\x07")


def named(name: str) -> bytes:
    """32 bytes that a name stands for: its SHA-256."""
    return hashlib.sha256(name.encode()).digest()


def hexes(nodes: Any) -> list[str]:
    """Byte strings as hex."""
    return [node.hex() for node in nodes]


def merkle() -> dict[str, Any]:
    """Roots, paths and consistency proofs of the eight public entries, and proofs that are refused."""
    tree = Tree(bytes.fromhex(entry) for entry in ENTRIES)
    inclusion: list[dict[str, Any]] = [
        {"index": index, "size": size, "root": tree.root(size).hex(), "path": hexes(tree.path(index, size))}
        for size in range(1, 9)
        for index in range(size)
    ]
    consistency: list[dict[str, Any]] = [
        {
            "old": old,
            "old_root": tree.root(old).hex(),
            "new": new,
            "new_root": tree.root(new).hex(),
            "path": hexes(tree.consistency(old, new)),
        }
        for new in range(1, 9)
        for old in range(new + 1)
    ]
    good, grown = inclusion[-1], consistency[-4]
    refused_inclusion = [
        {**good, "why": "index outside", "index": 8},
        {**good, "why": "another place", "index": 6},
        {**good, "why": "another size", "size": 9},
        {**good, "why": "path too short", "path": good["path"][:-1]},
        {**good, "why": "path too long", "path": [*good["path"], "00" * 32]},
        {**good, "why": "another root", "root": "00" * 32},
    ]
    refused_consistency = [
        {**grown, "why": "path too short", "path": grown["path"][:-1]},
        {**grown, "why": "path too long", "path": [*grown["path"], "00" * 32]},
        {**grown, "why": "another old root", "old_root": "00" * 32},
        {**grown, "why": "another new root", "new_root": "00" * 32},
        {**grown, "why": "sizes swapped", "old": grown["new"], "new": grown["old"]},
    ]
    return {
        "entries": list(ENTRIES),
        "roots": [tree.root(size).hex() for size in range(9)],
        "inclusion": inclusion,
        "consistency": consistency,
        "refused_inclusion": refused_inclusion,
        "refused_consistency": refused_consistency,
    }


def opening() -> LeafOpening:
    """The version whose leaf the vectors use."""
    shares = [named(f"share {place}") for place in range(1, 6)]
    return LeafOpening(
        named("handle"), raw_cid(b"header"), raw_cid(b"manifest"), raw_cid(b"body"), Commitments(shares).root
    )


def anchors() -> dict[str, Any]:
    """Share commitments, a leaf and its batch."""
    shares = [named(f"share {place}") for place in range(1, 6)]
    tree, leaf = Commitments(shares), opening()
    return {
        "shares": [
            {
                "place": place,
                "share": share.hex(),
                "commitment": share_commitment(place, share).hex(),
                "path": hexes(tree.path(place)),
            }
            for place, share in enumerate(shares, start=1)
        ],
        "commitments": tree.root.hex(),
        "handle": leaf.handle.hex(),
        "header": leaf.header.hex(),
        "manifest": leaf.manifest.hex(),
        "body": leaf.body.hex(),
        "leaf": leaf.leaf.hex(),
    }


def items() -> dict[str, Any]:
    """Items of a deposit, their columns and root, and the run of their leaves under an anchored root."""
    leaf = opening()
    one = DepositItem(
        leaf.handle, leaf.header, leaf.manifest, leaf.body, leaf.commitments, None, 0, False, "2019-02"
    )
    made = [
        one,
        one._replace(handle=named("second"), predecessor=leaf.handle, author=7, signed=True),
        one._replace(handle=named("third"), clinical_month="2019"),
        one._replace(handle=named("fourth"), clinical_month=None),
    ]
    tree = ItemTree(Items.of(made))
    others = [named(f"leaf {number}") for number in range(9)]
    batch = AnchorBatch([*others[:5], *tree.leaves, *others[5:]])
    return {
        "columns": Items.of(made).encode().hex(),
        "leaves": hexes(tree.leaves),
        "digests": [item_digest(item, leaf).hex() for item, leaf in zip(made, tree.leaves, strict=True)],
        "root": tree.root.hex(),
        "paths": [hexes(tree.path(at)) for at in range(len(made))],
        "run": {
            "root": batch.root.hex(),
            "size": batch.size,
            "first": 5,
            "outside": hexes(batch.outside(5, len(made))),
            "paths": [hexes(batch.inclusion(5 + at).path) for at in range(len(made))],
        },
    }


def blocks() -> dict[str, Any]:
    """Identifiers, a record, an index block, two that are joined, a CAR file."""
    links = tuple(chunk_cid(bytes([number])) for number in range(3))
    index = Index(2 * CHUNK + 5, links).encode()
    joined = Joined(raw_cid(b"one"), dag_cbor_cid(index)).encode()
    file, records = io.BytesIO(), ((raw_cid, b"one"), (chunk_cid, b"chunk"), (raw_cid, b""))
    write_car([raw_cid(b"one"), raw_cid(b"two")], {raw_cid(b): b for b in (b"one", b"two")}.__getitem__, file)
    good = text(raw_cid(b"one"))
    return {
        "identifiers": [
            {"codec": codec, "data": data.hex(), "cid": make(data).hex(), "text": text(make(data))}
            for codec, make in (("raw", raw_cid), ("dag-cbor", dag_cbor_cid), ("chunk", chunk_cid))
            for data in (b"", b"one")
        ],
        "refused_texts": [good.upper(), good[1:], good[:-1], f"{good}a", f"{good}=", f"z{good[1:]}"],
        "segment": b"".join([FILE_MAGIC, *(frame(make(data), data) for make, data in records)]).hex(),
        "index": {
            "size": 2 * CHUNK + 5,
            "links": hexes(links),
            "encoding": index.hex(),
            "cid": text(dag_cbor_cid(index)),
        },
        "joined": {
            "body": raw_cid(b"one").hex(),
            "content": dag_cbor_cid(index).hex(),
            "encoding": joined.hex(),
            "cid": text(dag_cbor_cid(joined)),
        },
        "car": file.getvalue().hex(),
    }


def a_log() -> ReleaseLog:
    """A log of seven lines, three of them the patient's."""
    log = ReleaseLog(LOG.verifier.name)
    for number in range(4):
        log.append(named(f"other tag {number}"), sealed_digest(b"other %d" % number))
        if number < 3:
            log.append(tag_of(AUDIT_KEY, number), sealed_digest(b"sealed %d" % number))
    return log


def notes() -> dict[str, Any]:
    """Keys, a signed and cosigned checkpoint, and notes that are refused."""
    head = a_log().head().checkpoint
    note = head.sign(LOG)
    both = note.with_signature(cosign(head.text, WITNESS, 1_700_000_000))
    good = both.encode().decode()
    return {
        "log": {"seed": bytes(range(32)).hex(), "vkey": LOG.verifier.text},
        "witness": {"seed": bytes(range(1, 33)).hex(), "vkey": WITNESS.verifier.text, "time": 1_700_000_000},
        "checkpoint": {
            "text": head.text,
            "size": head.size,
            "root": head.root.hex(),
            "map_root": head.map_root.hex(),
            "digest": head.digest.hex(),
        },
        "note": good,
        "refused_notes": [
            {"why": "size changed", "note": good.replace("\n7\n", "\n8\n")},
            {"why": "leading zero", "note": good.replace("\n7\n", "\n07\n")},
            {"why": "no empty line", "note": good.replace("\n\n", "\n")},
            {"why": "no map line", "note": "\n".join(good.split("\n")[:3] + good.split("\n")[4:])},
            {"why": "no final newline", "note": good[:-1]},
            {"why": "hyphen for em dash", "note": good.replace("—", "-")},
            {"why": "not signed by the log", "note": head.text + "\n" + both.signatures[1].text + "\n"},
        ],
    }


def map_proof(proof: MapProof) -> dict[str, Any]:
    """A proof in the map as JSON."""
    met = None if proof.met is None else {"tag": proof.met[0].hex(), "number": proof.met[1]}
    return {"siblings": hexes(proof.siblings), "met": met}


def log_map() -> dict[str, Any]:
    """Tags, the lines, the map's roots as it grows, proofs of presence and absence, and refused ones."""
    log, made, roots = a_log(), TagMap(), [TagMap().root().hex()]
    entries = log.entries(0, log.size)
    for number, entry in enumerate(entries):
        made.insert(entry[:32], number)
        roots.append(made.root().hex())
    there, absent = tag_of(AUDIT_KEY, 2), tag_of(AUDIT_KEY, 3)
    hidden = dataclasses.replace(made.proof(there), met=None)
    return {
        "audit_key": AUDIT_KEY.hex(),
        "tags": [tag_of(AUDIT_KEY, number).hex() for number in range(4)],
        "sealed": [
            {"data": f"sealed {n}", "digest": sealed_digest(b"sealed %d" % n).hex()} for n in range(3)
        ],
        "entries": hexes(entries),
        "map_roots": roots,
        "present": {"tag": there.hex(), "number": 5, **map_proof(made.proof(there))},
        "absent": {"tag": absent.hex(), **map_proof(made.proof(absent))},
        "refused_absent": [
            {"why": "the tag is there", "tag": there.hex(), **map_proof(made.proof(there))},
            {"why": "hidden as empty", "tag": there.hex(), **map_proof(hidden)},
            {"why": "another tag's place", "tag": there.hex(), **map_proof(made.proof(absent))},
        ],
    }


def anchored(question: str, subject: bytes, fact: bytes) -> AnchoredIn:
    """Block 10, with one custodian's word for it."""
    said = AttestedFact(7, question, subject, fact, 10, BLOCK_HASH, bytes(16))
    return AnchoredIn(DEPLOYMENT, 10, BLOCK_HASH, (sign(said, CUSTODIAN_KEY, DEPLOYMENT),))


def files() -> dict[str, Any]:
    """An audit proof, both kinds of proof file with their sentences, and files that are refused."""
    head = a_log().head()
    note = head.checkpoint.sign(LOG).encode()
    batch = AnchorBatch([named("before"), opening().leaf, named("after")])
    anchoring = anchoring_file(
        opening(), batch.inclusion(1), anchored("anchor", batch.root, uint(batch.size))
    )
    point = head.checkpoint
    fact = checkpoint_fact(point.size, point.root, point.map_root)
    every = make_proof(head, note, AUDIT_KEY, 3, every_line=True)
    audit = audit_file(7, LOG.verifier, AUDIT_KEY, every, anchored("checkpoint", uint(7), fact))
    return {
        "audit_proof": make_proof(head, note, AUDIT_KEY, 3).encode().hex(),
        "files": [{"file": file.hex(), "says": verify_file(file)} for file in (anchoring, audit)],
        "refused_files": [
            {"why": "cut", "file": anchoring[:-1].hex()},
            {"why": "a byte more", "file": (anchoring + b"\x00").hex()},
            {"why": "altered", "file": anchoring.replace(BLOCK_HASH, bytes(32)).hex()},
            {"why": "another kind", "file": anchoring.replace(b"\x69anchoring", b"\x69another!!").hex()},
        ],
    }


def vectors() -> str:
    """The file's text."""
    made = {
        "merkle": merkle(),
        "anchors": anchors(),
        "items": items(),
        "blocks": blocks(),
        "notes": notes(),
        "log": log_map(),
        "proofs": files(),
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """0 if the file is (now) fresh."""
    fresh = vectors()
    if "--check" in sys.argv:
        return 0 if FILE.exists() and FILE.read_text(encoding="utf-8") == fresh else 1
    FILE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
