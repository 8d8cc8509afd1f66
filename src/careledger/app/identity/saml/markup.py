"""XML as SAML has it, read so that it can do nothing: no document type, no entity, nothing fetched, UTF-8 alone."""

from __future__ import annotations

import re
from datetime import datetime
from importlib.util import find_spec
from typing import Any

from careledger.domain.errors import MalformedBytes, NotInstalled

ASSERTION = "{urn:oasis:names:tc:SAML:2.0:assertion}"
PROTOCOL = "{urn:oasis:names:tc:SAML:2.0:protocol}"
METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
DSIG = "{http://www.w3.org/2000/09/xmldsig#}"
MOST = 256 * 1024
"""Bytes of a document."""
MOST_SPACES = 4_000
"""Namespaces that a document declares: what they take grows with their square."""
Element = Any
"""Of lxml, which comes with the extra."""
_BARE = re.compile(rb"<!|.<\?", re.DOTALL)
"""What begins a document type, an entity, a comment, a section of characters, or an instruction: in UTF-8, where it
stands so, it is one."""
_COMMENTED = re.compile(rb"<!(?!--)")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z")


def check_installed() -> None:
    """Raises NotInstalled unless this installation reads SAML."""
    if find_spec("signxml") is None or find_spec("lxml") is None:
        raise NotInstalled(extra="saml")


def read(data: bytes, commented: bool = False) -> Element:
    """The root of a document; ``commented``: comments and instructions may stand in it, and are left out. Raises
    MalformedBytes, NotInstalled."""
    spaces = data.count(b"xmlns")
    if len(data) > MOST or spaces > MOST_SPACES or (_COMMENTED if commented else _BARE).search(data):
        raise MalformedBytes(expected="XML of at most 256 KiB without a document type")
    check_installed()
    from lxml import etree

    try:
        return etree.fromstring(data, parser(commented))
    except etree.LxmlError:
        raise MalformedBytes(expected="XML in UTF-8") from None


def parser(commented: bool = False) -> Any:
    """A parser that resolves and fetches nothing, whatever encoding a document claims to be in."""
    from lxml import etree

    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
        remove_comments=commented, remove_pis=commented,
    )  # fmt: skip


def only(parent: Element, name: str) -> Element | None:
    """The one child of that name; None where there is none, or several."""
    found = parent.findall(name)
    return found[0] if len(found) == 1 else None


def words(element: Element | None) -> str:
    """The text of an element that holds nothing else, without space around it; empty for another."""
    return "" if element is None or len(element) else (element.text or "").strip()


def moment(said: str | None) -> int | None:
    """A time in UTC as SAML writes it, in unix seconds; None for anything else."""
    found = _MOMENT.fullmatch(said or "")
    try:
        return None if found is None else int(datetime.fromisoformat(f"{found[1]}+00:00").timestamp())
    except ValueError:
        return None
