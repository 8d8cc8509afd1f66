"""``careledger show PATIENT RECORD``: one record, what is said about it, and where its parts lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import typer

from careledger.app.names import Names
from careledger.cli.output import write_private
from careledger.cli.records import Shown, marks, print_trust, record_facts, said
from careledger.cli.screen import Screen
from careledger.cli.words import NONE, Facts, listed, minute, moment
from careledger.domain.errors import BlockMismatch, BlockNotFound
from careledger.fhir.canonical import canonical
from careledger.fhir.export import resource_of
from careledger.formats.bodies import LargeBody
from careledger.formats.cids import text
from careledger.proofs.anchors import Inclusion, LeafOpening
from careledger.proofs.bundle import ANCHOR_QUESTION, anchoring_file
from careledger.workflows.audit_file import attest
from careledger.workflows.erase import conclude
from careledger.workflows.export import documents_of
from careledger.workflows.retrieve import Record

if TYPE_CHECKING:
    from careledger.app.world import World

RESOLVED = {
    "signed": "signed by the author's own key",
    "own-element": "named in the resource itself",
    "provenance": "named in a Provenance of the same file",
    "encounter": "inferred from the encounter",
    "referrer": "inferred from the resource that points to it",
    "service-provider": "inferred: the encounter's organisation",
    "unknown": "nobody is stated",
}


def version_facts(world: World, shown: Shown, record: Record) -> Facts:
    """Everything about one version, as it stands in ``--json``."""
    manifest, found = record.manifest, record.found
    return {
        **record_facts(shown.names, record),
        "distrust": record.distrust or None,
        "resource": resource_text(record) if manifest.mime_type == "application/fhir+json" else None,
        "manifest": {
            "record_id": manifest.record_id.hex(),
            "version": manifest.version,
            "predecessor": manifest.predecessor.hex() if manifest.predecessor else None,
            "resource_type": manifest.resource_type,
            "subject": manifest.subject,
            "author": shown.names.id(manifest.author) if manifest.author else None,
            "author_stated": manifest.author_stated,
            "author_resolved": manifest.author_resolved,
            "depositor": shown.names.id(manifest.depositor) if manifest.depositor else None,
            "source": manifest.source,
            "source_key": manifest.source_key,
            "mapping_version": manifest.mapping_version,
            "clinical_date": manifest.clinical_date,
            "mime_type": manifest.mime_type,
            "body_length": manifest.body_length,
            "content_digest": manifest.content_digest.hex(),
            "note": manifest.note,
        },
        "states": sorted(found.states),
        "said_by_patient": sorted(found.marks),
        "parts": parts(world, shown, record),
    }


def parts(world: World, shown: Shown, record: Record) -> Facts:
    """Where the parts of a version lie: blocks, shares, the leaf on the ledger, attested destructions."""
    row, found = record.found.row, record.found
    listed_on = shown.mine.statement.custodians
    erasure = conclude(world.ledger.fresh_head(), found.leaf, listed_on, world.settings.opening)
    blocks = {name: _block(world, cid) for name, cid in _cids(record).items()}
    return {
        "blocks": blocks,
        "shares": [
            _share(shown.names, record, place, number) for place, number in enumerate(listed_on, start=1)
        ],
        "needed_to_open": world.settings.opening,
        "ledger": {
            "block": found.anchor.block,
            "time": moment(found.anchor.time),
            "anchored_by": shown.names.of(found.anchor.organisation),
            "root": found.anchor.root.hex(),
            "index": row.index,
            "leaves": row.size,
            "leaf": found.leaf.hex(),
        },
        "destruction_attested_by": [shown.names.of(number) for number in sorted(erasure.attested)],
    }


def _cids(record: Record) -> dict[str, bytes]:
    row = record.found.row
    return {"header": row.header, "manifest": row.manifest, "body": row.body}


def _block(world: World, cid: bytes) -> Facts:
    try:
        size, state = len(world.blocks.get(cid)), "whole"
    except BlockNotFound:
        size, state = 0, "missing"
    except BlockMismatch:
        size, state = 0, "damaged"
    return {"cid": text(cid), "bytes": size, "state": state}


def _share(names: Names, record: Record, place: int, number: int) -> Facts:
    return {
        "place": place,
        "custodian": names.of(number),
        "share": place in record.found.shares,
        "escrow_share": place in record.found.escrow,
    }


def write_proof(world: World, record: Record, path: Path) -> None:
    """Writes an offline proof of when a version was anchored, with custodians' words for the block.

    Raises ProofRefused if no custodian attests the root.
    """
    row, found = record.found.row, record.found
    opening = LeafOpening(row.handle, row.header, row.manifest, row.body, row.commitments)
    inclusion = Inclusion(found.anchor.root, row.size, row.index, row.anchor_path)
    anchored = attest(world.network, ANCHOR_QUESTION, found.anchor.root)
    write_private(path, anchoring_file(opening, inclusion, anchored), "--proof")


def write_content(world: World, record: Record, path: Path) -> None:
    """Writes the first document that a version holds, or that lies beside it; raises BadParameter where there is none,
    and what opening it raises: no file is left then."""
    for _, pieces in documents_of(world.network, record):
        write_private(path, pieces, "--content")
        return
    raise typer.BadParameter("the record holds no document", param_hint="--content")


def resource_text(record: Record) -> str:
    """The resource as JSON with its own digits, indented; raises FhirRefused for what is not FHIR."""
    return indented(resource_of(record.body))


def indented(value: Any, depth: int = 0) -> str:
    """Numbers keep the digits of their source, so they never pass through a float."""
    inner, outer = "\n" + "  " * (depth + 1), "\n" + "  " * depth
    if isinstance(value, dict) and value:
        lines = [f'"{name}": {indented(each, depth + 1)}' for name, each in value.items()]
        return "{" + inner + f",{inner}".join(lines) + outer + "}"
    if isinstance(value, list) and value:
        return "[" + inner + f",{inner}".join(indented(each, depth + 1) for each in value) + outer + "]"
    return canonical(value).decode()


# On the screen ----------------------------------------------------------------------------------


def print_record(screen: Screen, world: World, shown: Shown, versions: list[Record]) -> None:
    """One record: its newest version, and what versions there are."""
    record = versions[-1]
    told, manifest = said(record), record.manifest
    found = version_facts(world, shown, record)
    screen.facts(
        f"{told.what or manifest.resource_type}, {told.date or 'no date'}",
        [
            ("value", told.value or NONE),
            ("record", f"{UUID(bytes=manifest.record_id)}, version {manifest.version}"),
            ("category", f"{record.compartment}, {manifest.resource_type}"),
            (
                "author",
                f"{found['author']} ({RESOLVED.get(manifest.author_resolved, manifest.author_resolved)})",
            ),
            ("stated as", manifest.author_stated or NONE),
            ("deposited by", f"{found['depositor']}, {manifest.source}"),
            ("from", manifest.source_key or NONE),
            ("marks", listed(marks(record)) if marks(record) else "none (unconfirmed)"),
            (
                "content",
                f"{manifest.content_digest.hex()}, {manifest.body_length:,} bytes, {manifest.mime_type}",
            ),
            *_beside(record),
            ("mapping", f"version {manifest.mapping_version}"),
            ("note", manifest.note or NONE),
        ],
    )
    if record.distrust:
        screen.warns(f"Not to be trusted: {record.distrust}")
    _print_parts(screen, found["parts"])
    if len(versions) > 1:
        _print_versions(screen, shown, versions)
    print_trust(screen, shown)


def _beside(record: Record) -> list[tuple[str, str]]:
    """What is said of a file that lies beside a version."""
    if not isinstance(record.body, LargeBody):
        return []
    content = record.body.content
    return [("file", f"{content.sha256.hex()}\n{content.size:,} bytes, sealed beside it")]


def _print_parts(screen: Screen, lie: Facts) -> None:
    blocks = [
        (f"{name} block", f"{each['cid']}\n{each['bytes']:,} bytes of ciphertext, {each['state']}")
        for name, each in lie["blocks"].items()
    ]
    shares = [(each["custodian"], _held(each)) for each in lie["shares"]]
    ledger = lie["ledger"]
    anchored = f"leaf {ledger['index']} of {ledger['leaves']} under root\n{ledger['root']}\n"
    anchored += f"by {ledger['anchored_by']} in block {ledger['block']}, {ledger['time']}"
    rows = [*blocks, *shares, ("ledger", anchored)]
    if lie["destruction_attested_by"]:
        rows.append(("destroyed at", listed(lie["destruction_attested_by"])))
    screen.table(
        f"Where its parts lie (any {lie['needed_to_open']} custodians and a key together open it)",
        ("place", "part"),
        rows,
    )


def _held(share: Facts) -> str:
    held = ["a share"] if share["share"] else []
    held += ["a part of the escrow"] if share["escrow_share"] else []
    return (
        f"{' and '.join(held)} (place {share['place']})" if held else f"index only (place {share['place']})"
    )


def _print_versions(screen: Screen, shown: Shown, versions: list[Record]) -> None:
    rows = [
        (
            each.manifest.version,
            minute(each.found.anchor.time),
            shown.names.of(each.manifest.depositor),
            said(each).value or NONE,
            listed(marks(each)),
        )
        for each in versions
    ]
    screen.table("Versions", ("version", "anchored", "deposited by", "value", "marks"), rows)
