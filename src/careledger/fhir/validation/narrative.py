"""The XHTML of narratives: what FHIR R4 allows in it, and nothing that runs (R4 narrative.html, txt-1 and txt-2)."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

MOST_TEXT = 2**20
MOST_DEPTH = 200
SPACE = "http://www.w3.org/1999/xhtml"

# HTML 4.0 chapters 7 to 11 (without section 4 of chapter 9) and 15, links, images, and styles of elements.
_TAGS = (
    "p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite blockquote hr address "
    "bdo kbd ul ol li dl dt dd table caption colgroup col thead tr tfoot tbody th td code samp img map area ins del "
    "pre sub sup center font s strike u"
)
_ELEMENTS = frozenset(_TAGS.split())
_EVERYWHERE = frozenset(["title", "style", "class", "id", "lang", "dir", "accesskey", "tabindex"])
_ATTRIBUTES = {
    "a": "href name rel rev charset hreflang type",
    "area": "shape coords href nohref alt",
    "img": "src alt height width usemap ismap longdesc",
    "map": "name",
    "bdo": "dir",
    "blockquote": "cite",
    "q": "cite",
    "ins": "cite datetime",
    "del": "cite datetime",
    "br": "clear",
    "hr": "align width size noshade",
    "ol": "type start compact",
    "ul": "type compact",
    "li": "type value",
    "pre": "width",
    "font": "color size face",
    "table": "summary width border frame rules cellspacing cellpadding align bgcolor",
    "col": "span width align valign",
    "colgroup": "span width align valign",
    "th": "abbr axis headers scope rowspan colspan align valign width height nowrap bgcolor",
    "td": "abbr axis headers scope rowspan colspan align valign width height nowrap bgcolor",
    "tr": "align valign bgcolor",
    "thead": "align valign",
    "tbody": "align valign",
    "tfoot": "align valign",
    "p": "align",
    "div": "align",
    "caption": "align",
    **dict.fromkeys(["h1", "h2", "h3", "h4", "h5", "h6"], "align"),
}
_ALLOWED = {name: _EVERYWHERE | set(_ATTRIBUTES.get(name, "").split()) for name in _ELEMENTS}
_LINKS = frozenset(["href", "src", "cite", "longdesc", "usemap"])
_RUNS = ("javascript:", "vbscript:", "data:text")


class _NotAllowed(Exception):
    """Something that a narrative may not hold."""


class _Reader:
    def __init__(self) -> None:
        self.depth = 0
        self.content = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if space != SPACE or local not in _ELEMENTS or (self.depth == 0 and local != "div"):
            raise _NotAllowed
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise _NotAllowed
        allowed = _ALLOWED[local]
        for key, value in attributes.items():
            if key.rpartition(" ")[2] not in allowed or (key in _LINKS and _runs(value)):
                raise _NotAllowed
        self.content = self.content or local == "img"

    def end(self, name: str) -> None:
        self.depth -= 1

    def text(self, text: str) -> None:
        self.content = self.content or not text.isspace()


def _runs(link: str) -> bool:
    return "".join(link.split()).lower().startswith(_RUNS)


def _refuse(*arguments: object) -> None:
    raise _NotAllowed


def is_narrative(value: Any, walk: object = None) -> bool:
    """Whether this is a div of XHTML with some content and nothing that FHIR does not allow in a narrative."""
    if type(value) is not str or len(value) > MOST_TEXT:
        return False
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.ProcessingInstructionHandler = _refuse
    try:
        parser.Parse(value, True)
    except (expat.ExpatError, _NotAllowed, UnicodeEncodeError):
        return False
    return reader.content
