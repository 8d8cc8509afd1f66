"""The IHE Privacy Consent on FHIR examples: every file is read, placed, and never taken for something shareable."""

from __future__ import annotations

from pathlib import Path

from careledger.domain.categories import Category, Sensitivity
from careledger.fhir.split import import_bundle


def _files(test_data: Path, folder: str) -> list[Path]:
    files = sorted((test_data / "ihe-pcf" / folder).glob("*.json"))
    assert files, f"ihe-pcf/{folder} is missing from the test data"
    return files


def test_every_consent_example_is_read_and_kept_restricted_or_refused(test_data: Path) -> None:
    outcomes = []
    for path in _files(test_data, "consents"):
        report = import_bundle(path.read_bytes(), path.name)
        assert len(report.versions) + len(report.rejects) == 1
        outcomes += [version.compartment for version in report.versions]
    assert len(outcomes) <= 23
    assert all(compartment.category is not Category.GENERAL for compartment in outcomes)


def test_every_resource_example_is_read_and_sensitive_ones_are_restricted(test_data: Path) -> None:
    placed = {}
    for path in _files(test_data, "resources"):
        report = import_bundle(path.read_bytes(), path.name)
        assert len(report.versions) + len(report.rejects) == 1, path.name
        for version in report.versions:
            placed[path.stem] = version.compartment
    assert len(placed) >= 14
    assert placed["ex-alcoholUse"].sensitivity is Sensitivity.RESTRICTED
    assert placed["ex-weight"].sensitivity is Sensitivity.NORMAL
