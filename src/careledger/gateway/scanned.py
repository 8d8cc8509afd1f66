"""Bodies whose files are scanned before what they ask for is done: found in the process beside where the body is long,
and scanned in a thread of the request's own. The worker waits for neither, nor does another request.

What was found clean is deposited without being scanned twice; whatever comes another way is scanned as it is deposited.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial

from careledger.app.tokens import Bearer
from careledger.gateway.beside import LONG, Waiting
from careledger.gateway.desk import Desk
from careledger.gateway.http import Answer, Answering, Asked, Handler, Slow
from careledger.workflows.scanning import Files, Scanning, all_files, clean, may_hold_files


def scanned(desk: Desk, handler: Handler) -> Handler:
    """The route, carried out once the files in the body are clean, where files are scanned; raises then besides
    FileRefused, ScannerUnavailable."""
    return replace(handler, answer=partial(_answer, desk, handler.answer)) if handler.takes else handler


def _answer(desk: Desk, act: Answering, who: Bearer, asked: Asked) -> Answer | Slow:
    return once_clean(desk, asked.body, partial(act, who, asked))


def once_clean(desk: Desk, body: bytes, act: Callable[[], Answer | Slow]) -> Answer | Slow:
    """What that answers, asked once the files in a JSON body are clean; raises besides as ``scanned``."""
    scanning = desk.world.scanning
    if scanning is None or (len(body) <= LONG and not may_hold_files(body)):
        return act()
    return _after_scanning(scanning, body, act)


def _after_scanning(scanning: Scanning, body: bytes, act: Callable[[], Answer | Slow]) -> Slow:
    looking = partial(all_files, body)
    found: Files = (yield looking) if len(body) > LONG else looking()
    if found:
        scanning.remember((yield Waiting(partial(clean, scanning.scanner, found))))
    del found
    made = act()
    return (yield from made) if isinstance(made, Generator) else made
