"""Bodies whose files are scanned before what they ask for is done, in the process beside: the worker waits for none.

What was found clean is deposited without being scanned twice; whatever comes another way is scanned as it is deposited.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from functools import partial

from careledger.app.tokens import Bearer
from careledger.gateway.desk import Desk
from careledger.gateway.http import Answer, Answering, Asked, Handler, Slow
from careledger.workflows.scanning import IN_BASE64, Scanning, clean_in, may_hold_files

OF_PATCHES = IN_BASE64 | {"value"}
"""An operation of a JSON Patch has what it writes under ``value``."""


def scanned(desk: Desk, handler: Handler) -> Handler:
    """The route, carried out once the files in the body are clean, where files are scanned; raises then besides
    FileRefused, ScannerUnavailable."""
    return replace(handler, answer=partial(_answer, desk, handler.answer)) if handler.takes else handler


def _answer(desk: Desk, act: Answering, who: Bearer, asked: Asked) -> Answer | Slow:
    scanning = desk.world.scanning
    names = OF_PATCHES if asked.method == "PATCH" else IN_BASE64
    if scanning is None or not may_hold_files(asked.body, names):
        return act(who, asked)
    return _after_scanning(scanning, names, act, who, asked)


def _after_scanning(
    scanning: Scanning, names: frozenset[str], act: Answering, who: Bearer, asked: Asked
) -> Slow:
    scanning.remember((yield partial(clean_in, scanning.scanner, asked.body, names)))
    made = act(who, asked)
    return (yield from made) if isinstance(made, Generator) else made
