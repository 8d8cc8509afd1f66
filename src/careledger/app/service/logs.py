"""What a service writes to its log: what its own code says, and of an error where it happened, never what it says.

A text of an error, or of another library's message, may hold what a person sent. So of an exception there is its class
and the places in the code, and of other libraries' messages the pattern, without what was filled in.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from careledger.app.service.table import Service

OWN, SECURITY = "careledger", "careledger.security"
"""What is ours, and whose lines are written whatever the level is."""
SAID = (
    *("method", "route", "status", "milliseconds"),
    *("refusal", "who", "about", "client", "source", "why"),
)
"""What our own messages may say besides."""
MOST_PLACES = 12
MOST = 200


def set_up(service: Service) -> None:
    """The log of this process, on stderr, from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if service.log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(service.log_level.upper())
    logging.getLogger(SECURITY).setLevel(logging.INFO)
    logging.captureWarnings(False)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        return json.dumps(said(record), ensure_ascii=True)


class TextLines(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line, and one for each place of an error."""
        facts = said(record)
        first = [facts["time"], facts["level"], f"{facts['logger']}:", facts["message"]]
        first += [f"{name}={facts[name]}" for name in (*SAID, "error") if name in facts]
        return "\n  ".join([" ".join(map(str, first)), *facts.get("places", ())])


def said(record: logging.LogRecord) -> dict[str, Any]:
    """What is written of a record."""
    own = record.name.partition(".")[0] == OWN
    message = record.getMessage() if own else _pattern(record)
    facts: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": message,
    }
    if own:
        facts |= {name: getattr(record, name) for name in SAID if hasattr(record, name)}
    if record.exc_info and record.exc_info[1] is not None:
        kind, _, places = record.exc_info
        facts["error"] = getattr(kind, "__name__", "")
        facts["places"] = [
            f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in traceback.extract_tb(places)
        ][-MOST_PLACES:]
    return facts


def _pattern(record: logging.LogRecord) -> str:
    """What another library says before it is filled in; what came filled in ends at the first thing that may be one."""
    text = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    first = text.splitlines()[0] if text else ""
    return (first if record.args else first.partition(":")[0])[:MOST]
