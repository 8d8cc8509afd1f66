"""The twenty sample patients that are installed with the package; sample/README.md says where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import zstandard

from careledger.domain.errors import FhirRefused

_ENDING = ".json.zst"
_MOST_BYTES = 64 * 2**20


def sample_names() -> list[str]:
    """The names of the sample's files, sorted, for example ``Alda400_Paucek755``."""
    files = resources.files("careledger").joinpath("sample").iterdir()
    return sorted(file.name.removesuffix(_ENDING) for file in files if file.name.endswith(_ENDING))


def sample_file(name: str) -> bytes:
    """One sample patient's transaction bundle; raises FhirRefused for a name that is not in the sample."""
    if name not in sample_names():
        raise FhirRefused(problem="no sample patient has this name")
    packed = resources.files("careledger").joinpath("sample", name + _ENDING).read_bytes()
    return zstandard.ZstdDecompressor().decompress(packed, max_output_size=_MOST_BYTES)


def sample_files() -> Iterator[tuple[str, bytes]]:
    """All sample patients as (name, bundle)."""
    for name in sample_names():
        yield name, sample_file(name)
