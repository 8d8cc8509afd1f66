"""Feeds the import of FHIR files with what atheris makes of the corpus in tests/corpus/fhir.

    python tools/fuzz_fhir.py [-runs=100000] [-max_len=20000] [more of libFuzzer's flags]

atheris is no dependency: ``pip install atheris`` (CPython 3.11 and 3.12 on Linux). Whatever ends in another error than
FhirRefused is a fault; put the file that it leaves behind into the corpus, with its outcome in tests/corpus/fhir.json.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

import atheris

CORPUS = Path(__file__).resolve().parent.parent / "tests" / "corpus" / "fhir"

with atheris.instrument_imports(include=["careledger.fhir"]):
    from careledger.domain.errors import FhirRefused
    from careledger.fhir.split import import_bundle


def one(data: bytes) -> None:
    """One file."""
    with contextlib.suppress(FhirRefused):
        import_bundle(data, "fuzz.json")


def main() -> None:
    """Runs until libFuzzer's limits; new inputs go to a scratch folder, not to the corpus that is kept."""
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(CORPUS, scratch, dirs_exist_ok=True)
        atheris.Setup([*sys.argv, scratch], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
