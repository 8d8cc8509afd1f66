"""How deep a JSON text is nested, told before a parser recurses into it.

Python's own limit does not guard json's recursion against overrunning the stack: EELS raises that limit for the whole
process.
"""

from __future__ import annotations

import re
from itertools import accumulate

_ESCAPED = re.compile(rb"\\[\x00-\xff]")
_NO_MARK = bytes(set(range(256)) - set(b'[]{}"'))
_QUOTED = re.compile(rb'"[^"]*"?')
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes one deeper and one less deep


def nesting(data: bytes) -> int:
    """The most brackets that are open at once; what is not JSON has some number too.

    Strings are taken away by their quotes: an escaped quote is none, and a pair of quotes with no bracket between them
    leaves every other place inside or outside as it was.
    """
    quoted = _ESCAPED.sub(b"", data).translate(None, _NO_MARK)
    brackets = _QUOTED.sub(b"", quoted.replace(b'""', b""))
    return max(accumulate(memoryview(brackets.translate(_STEPS)).cast("b")), default=0)
