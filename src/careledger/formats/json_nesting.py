"""How deep a JSON text is nested, told before a parser recurses into it.

Python's own limit does not guard json's recursion against overrunning the stack: EELS raises that limit for the whole
process.
"""

from __future__ import annotations

import re
from itertools import accumulate

_TEXT = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)
_NO_BRACKET = re.compile(r"[^][{}]+")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def nesting(text: str) -> int:
    """The most brackets that are open at once; what is not JSON has some number too."""
    brackets = _NO_BRACKET.sub("", _TEXT.sub("", text))
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)
