"""Trains the Zstandard dictionary that bodies and manifests are compressed with, from every third sample patient.

    python tools/train_dictionary.py

Records that were sealed name the dictionary by its id; another one makes them unreadable, so it is trained once for a
version of the format. Figures about disk use count the other sample patients, or other data.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import zstandard

from careledger.domain.records import Source
from careledger.fhir.sample import sample_file, sample_names
from careledger.fhir.split import import_bundle
from careledger.formats.deposits import Manifest
from careledger.sealing import versions
from careledger.workflows.from_fhir import new_version
from careledger.workflows.new_versions import NewVersion

TARGET = Path(versions.__file__).with_name("records.zdict")
SIZE = 65_536
EVERY = 3
ID = 20_261_128


def manifest(version: NewVersion, alias: bytes, depositor: int) -> bytes:
    """A manifest as it is sealed, with keys and digests that stand for nothing."""
    return Manifest(
        alias=alias,
        category=version.compartment.category,
        sensitivity=version.compartment.sensitivity,
        record_id=version.record_id,
        version=1,
        predecessor=None,
        resource_type=version.resource_type,
        subject=version.subject,
        author=0,
        author_stated=version.author_stated,
        author_resolved=version.author_resolved,
        depositor=depositor,
        source=Source.of(version.source).code,
        source_key=version.source_key,
        mapping_version=version.mapping_version,
        clinical_date=version.clinical_date,
        mime_type=version.mime_type,
        body_length=1000,
        content_digest=secrets.token_bytes(32),
        author_signature=None,
        body_key_commitment=secrets.token_bytes(32),
        content_tag=secrets.token_bytes(32),
        note=version.note,
    ).encode()


def samples() -> list[bytes | bytearray | memoryview]:
    """What is sealed of every third sample patient: bodies and manifests."""
    found: list[bytes | bytearray | memoryview] = []
    for name in sample_names()[::EVERY]:
        alias, depositor = secrets.token_bytes(32), secrets.randbits(64)
        report = import_bundle(sample_file(name), name)
        for imported in report.versions:
            version = new_version(imported, report.mapping_version)
            found += [imported.body.encode(), manifest(version, alias, depositor)]
    return found


def main() -> None:
    """Writes the dictionary."""
    trained = zstandard.train_dictionary(SIZE, samples(), dict_id=ID)
    TARGET.write_bytes(trained.as_bytes())
    print(f"{TARGET.name}: {len(trained)} bytes, id {trained.dict_id()}")


if __name__ == "__main__":
    main()
