"""What a request makes its answer depend on (RFC 9110, 13): whether the client has the version that would be shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

WEAK = "W/"


def is_known(headers: Mapping[str, str], etag: str, changed: int) -> bool:
    """Whether the client says that it has this version, which came to be at ``changed`` (unix seconds, 0 if nobody
    knows when); tags are compared weakly, and count before a time (13.1.2, 13.2.2)."""
    tags = headers.get("if-none-match")
    if tags is not None:
        stated = {each.strip().removeprefix(WEAK) for each in tags.split(",")}
        return bool(stated & {"*", etag.removeprefix(WEAK)})
    try:
        since = parsedate_to_datetime(headers.get("if-modified-since", ""))
    except (ValueError, OverflowError):  # a date that is none says nothing (13.1.3)
        return False
    return bool(changed) and changed <= since.timestamp()


def is_matched(headers: Mapping[str, str], etag: str) -> bool:
    """Whether If-Match, if it is there, names this version; tags are compared strongly (13.1.1)."""
    tags = headers.get("if-match")
    return tags is None or bool({each.strip() for each in tags.split(",")} & {"*", etag})


def last_modified(changed: int) -> dict[str, str]:
    """The header that says when that version came to be (8.8.2); none where nobody knows."""
    when = datetime.fromtimestamp(changed, UTC)
    return {"Last-Modified": format_datetime(when, usegmt=True)} if changed else {}
