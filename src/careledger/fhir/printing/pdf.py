"""A patient summary as a PDF, set by Typst in fonts that come along: tagged after PDF/UA, without scripts or links.

The same summary gives the same bytes. What no font here has a shape for appears as U+FFFD, and the pages say so.
"""

from __future__ import annotations

import json
import struct
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from careledger.domain.errors import NotInstalled
from careledger.fhir.patient_summary import Readable
from careledger.fhir.summary_text import COLUMNS, INCOMPLETE, JOINERS

HERE = Path(__file__).parent
FONTS = HERE / "fonts"
MISSING = "\ufffd"
UNSHAPED = f"Characters that cannot be printed here appear as {MISSING}; the records themselves have them."
LONGEST_WORD = 18
"""Characters after which a word may be broken, so that nothing runs out of its cell."""
_BREAK = "\u200b"


def check_installed() -> None:
    """Raises NotInstalled unless this installation can set pages."""
    if find_spec("typst") is None:
        raise NotInstalled(extra="pdf")


def pdf_of(readable: Readable) -> bytes:
    """The pages; raises NotInstalled."""
    check_installed()
    import typst  # 80 MB that only this needs

    made = datetime.fromisoformat(readable.made)
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS])
    compiler = typst.Compiler(
        (HERE / "summary.typ").read_bytes(),
        font_paths=fonts,
        sys_inputs={"summary": json.dumps(_pages(readable))},
    )
    pages = compiler.compile(format="pdf", timestamp=made, pdf_standards=["ua-1"])
    assert isinstance(pages, bytes)
    return pages


def _pages(readable: Readable) -> dict[str, Any]:
    texts = [*readable.said, *(each for part in readable.parts for row in part.rows for each in row)]
    unshaped = [UNSHAPED] if any(_shaped(each) != each or MISSING in each for each in texts) else []
    return {
        "title": readable.title,
        "said": [_set(each) for each in (*readable.said, *unshaped)],
        "head": COLUMNS,
        "footer": [f"{readable.patient}, {readable.made}", INCOMPLETE],
        "parts": [
            {
                "title": part.title,
                "rows": [[_set(each) for each in row] for row in part.rows],
                "said": [_set(each) for each in part.said],
            }
            for part in readable.parts
        ],
    }


def _set(text: str) -> str:
    return _breakable(_shaped(text))


def _shaped(text: str) -> str:
    """The text with U+FFFD for each letter that no font has together with its marks."""
    return "".join(each if _has_shape(each) else MISSING for each in _letters(text))


def _letters(text: str) -> Iterator[str]:
    """The text in letters with the marks and joiners that follow them."""
    made = ""
    for each in text:
        if made and not (unicodedata.category(each).startswith("M") or each in JOINERS):
            yield made
            made = ""
        made += each
    if made:
        yield made


def _has_shape(letter: str) -> bool:
    points = {ord(each) for each in letter if each not in JOINERS}
    return any(points <= font for font in characters())


def _breakable(text: str) -> str:
    """The text with places to break long words at, none inside of what is written as one."""
    made, run = [], 0
    for before, each in zip(f" {text}", text, strict=False):
        run = 0 if each.isspace() else run + 1
        joined = unicodedata.category(each).startswith("M") or each in JOINERS or before in JOINERS
        if run > LONGEST_WORD and not joined and unicodedata.combining(before) != 9:  # after no virama
            made.append(_BREAK)
            run = 1
        made.append(each)
    return "".join(made)


@cache
def characters() -> tuple[frozenset[int], ...]:
    """For each font the code points that it has a glyph for (OpenType cmap, format 4)."""
    return tuple(frozenset(_mapped(path.read_bytes())) for path in sorted(FONTS.glob("*.ttf")))


def _mapped(font: bytes) -> list[int]:
    tables = {font[at : at + 4]: struct.unpack_from(">II", font, at + 8) for at in _steps(font)}
    start = tables[b"cmap"][0]
    for index in range(struct.unpack_from(">H", font, start + 2)[0]):
        at = start + struct.unpack_from(">I", font, start + 4 + 8 * index + 4)[0]
        if struct.unpack_from(">H", font, at)[0] == 4:
            return _segments(font, at)
    return []


def _steps(font: bytes) -> range:
    return range(12, 12 + 16 * struct.unpack_from(">H", font, 4)[0], 16)


def _segments(font: bytes, at: int) -> list[int]:
    count = struct.unpack_from(">H", font, at + 6)[0] // 2
    ends = struct.unpack_from(f">{count}H", font, at + 14)
    starts = struct.unpack_from(f">{count}H", font, at + 16 + 2 * count)
    spans = zip(starts, ends, strict=True)
    return [point for first, last in spans for point in range(first, last + 1) if point != 0xFFFF]
