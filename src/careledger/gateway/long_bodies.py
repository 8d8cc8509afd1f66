"""Bodies that are long are read in the process beside, and what they ask for is done by the worker then."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from typing import TypeVar

from careledger.gateway import forms
from careledger.gateway.beside import LONG
from careledger.gateway.http import XMLS, Answer, Asked, Slow

T = TypeVar("T")


def once_read(body: bytes, read: Callable[[], T], act: Callable[[T], Answer | Slow]) -> Answer | Slow:
    """What is answered with what ``read`` makes of a body; it needs no world, and can be pickled as can its result.
    Raises what both raise, and ReadingBrokeOff."""
    return act(read()) if len(body) <= LONG else _beside(read, act)


def _beside(read: Callable[[], T], act: Callable[[T], Answer | Slow]) -> Slow:
    made = act((yield read))
    return (yield from made) if isinstance(made, Generator) else made


def in_json(asked: Asked, act: Callable[[Asked], Answer | Slow]) -> Answer | Slow:
    """What is answered to the same request, what came as XML in JSON; raises FhirRefused."""
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not asked.body or kind not in XMLS:
        return act(asked)
    read = partial(forms.in_json, asked.body)
    return once_read(asked.body, read, lambda body: act(replace(asked, body=body)))
