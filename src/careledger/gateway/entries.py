"""The entries of a Bundle that a program sends: what each asks for, its resource left as it came."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count

import msgspec

from careledger.domain.errors import FhirRefused
from careledger.fhir.definitions.tables import resource_types
from careledger.gateway.forms import JSON
from careledger.gateway.operations import consents

ORDER = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
"""In which entries are carried out (R4 http.html#trules)."""
READS = ("GET", "HEAD")
MOST = 10_000
"""Entries of one Bundle."""
TYPES = ("transaction", "batch", "collection")
CONDITIONS = {
    "ifMatch": "if-match",
    "ifNoneMatch": "if-none-match",
    "ifModifiedSince": "if-modified-since",
    "ifNoneExist": "if-none-exist",
}


class _Request(msgspec.Struct):
    method: str = "POST"
    url: str = ""
    ifMatch: str | None = None
    ifNoneMatch: str | None = None
    ifModifiedSince: str | None = None
    ifNoneExist: str | None = None


class _Entry(msgspec.Struct):
    fullUrl: str = ""
    request: _Request | None = None
    resource: msgspec.Raw = msgspec.Raw(b"")

    def __post_init__(self) -> None:
        """Raises FhirRefused at the first entry too many, so that no others are read: a million take seconds and
        memory in which nobody else is answered."""
        if next(_read.places) == MOST:
            raise FhirRefused(path="Bundle.entry", problem=f"more than {MOST} entries")


class _Read(threading.local):
    """The places of the Bundle that this thread reads."""

    places: Iterator[int] = iter(())


_read = _Read()


class _Resource(msgspec.Struct):
    resourceType: str = ""
    id: str = ""
    contentType: str = ""
    data: str = ""
    sourceAttachment: object = None


@dataclass(frozen=True, repr=False)
class Sent:
    """One entry: its place in the Bundle, what it asks, its resource, and by which names others refer to it; never
    printed."""

    place: int
    request: _Request | None
    body: bytes
    content_type: str
    kind: str
    full_url: str = ""
    id: str = ""

    @property
    def where(self) -> str:
        """Its place, as FHIRPath."""
        return f"Bundle.entry[{self.place}]"

    @property
    def method(self) -> str:
        """POST where it says none."""
        return self.request.method if self.request is not None else "POST"

    @cached_property
    def path(self) -> str:
        """What it asks of, under the FHIR base."""
        return self.request.url.partition("?")[0].strip("/") if self.request is not None else self.kind

    @property
    def query(self) -> str:
        """The parameters of its address."""
        return self.request.url.partition("?")[2] if self.request is not None else ""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its conditions, and how its body is written, as headers in lower case."""
        said = {name: getattr(self.request, each, None) for each, name in CONDITIONS.items()}
        return {
            "content-type": self.content_type,
            **{name: each for name, each in said.items() if each is not None},
        }

    def under(self, base: str) -> Sent:
        """The same, its address without the base of the server that is asked, if it begins with that."""
        if self.request is None or not self.request.url.startswith(f"{base}/"):
            return self
        request = msgspec.structs.replace(self.request, url=self.request.url.removeprefix(f"{base}/"))
        return replace(self, request=request)

    @property
    def creates(self) -> bool:
        """Whether it creates a resource whatever there is: then it is imported with the others that do."""
        conditional = self.request is not None and self.request.ifNoneExist is not None
        return self.method == "POST" and not conditional and self.path in ("", self.kind)


@dataclass(frozen=True, repr=False)
class Sending:
    """A Bundle: its type, its entries, all of it as it came; never printed."""

    type: str
    sent: Sequence[Sent]
    body: bytes

    def parted(self, together: bool) -> tuple[list[Sent], list[Sent]]:
        """The entries that are imported ``together``, if any are, and all the others."""
        created, others = list[Sent](), list[Sent]()
        for each in self.sent:
            (created if together and each.creates else others).append(each)
        return created, others

    def of(self, some: Sequence[Sent], bodies: Mapping[int, bytes] | None = None) -> bytes:
        """The Bundle with these of its entries alone, those at these places with other resources."""
        if len(some) == len(self.sent) and not bodies:
            return self.body
        members = msgspec.json.decode(self.body, type=dict[str, msgspec.Raw])
        raws = msgspec.json.decode(members["entry"], type=list[msgspec.Raw])
        kept = [_with(raws[each.place], (bodies or {}).get(each.place)) for each in some]
        members["entry"] = msgspec.Raw(b"[" + b",".join(kept) + b"]")
        return msgspec.json.encode(members)


def _with(entry: msgspec.Raw, body: bytes | None) -> bytes:
    if body is None:
        return bytes(entry)
    members = msgspec.json.decode(entry, type=dict[str, msgspec.Raw])
    return msgspec.json.encode(members | {"resource": msgspec.Raw(body)})


class _Bundle(msgspec.Struct):
    resourceType: str = ""
    type: str = ""
    entry: list[_Entry] | None = None


def sent_in(data: bytes, base: str) -> Sending:
    """What a Bundle asks of the server with that base; raises FhirRefused for what is none, of another type, or a
    collection that asks for anything but creating, or has too many entries."""
    _read.places = count()
    try:
        said = msgspec.json.decode(data, type=_Bundle)
        sent = [_sent(place, each) for place, each in enumerate(said.entry or ())]
    except (msgspec.DecodeError, RecursionError):
        raise FhirRefused(problem="not a Bundle in JSON") from None
    if said.resourceType != "Bundle" or said.type not in TYPES:
        raise FhirRefused(path="Bundle.type", problem=f"not one of {', '.join(TYPES)}")
    if not sent and said.entry is not None:
        raise FhirRefused(path="Bundle.entry", problem="is empty: FHIR has no empty arrays")
    if said.type == "batch":
        sent = [each.under(base) for each in sent]
    for each in sent:
        _check(each, said.type)
    return Sending(said.type, sent, data)


def _sent(place: int, entry: _Entry) -> Sent:
    raw = bytes(entry.resource)
    said = msgspec.json.decode(raw, type=_Resource) if raw else _Resource()
    if entry.request is not None and entry.request.method == "PATCH" and said.resourceType == "Binary":
        data = _content(place, said.data)
        return Sent(place, entry.request, data, said.contentType, said.resourceType, entry.fullUrl)
    if said.sourceAttachment is not None and (entry.request is None or entry.request.method == "POST"):
        consents.check_unsigned({"sourceAttachment": said.sourceAttachment})
    return Sent(place, entry.request, raw, JSON, said.resourceType, entry.fullUrl, said.id)


def _content(place: int, data: str) -> bytes:
    """The JSON Patch that a Binary holds (R4 http.html#jsonpatch); raises FhirRefused."""
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise FhirRefused(path=f"Bundle.entry[{place}].resource.data", problem="not base64") from None


def _check(each: Sent, type: str) -> None:
    where = f"Bundle.entry[{each.place}].request"
    if each.method not in ORDER:
        raise FhirRefused(path=f"{where}.method", problem=f"not one of {', '.join(ORDER)}")
    if type == "batch":
        return
    if type == "collection" and (each.method != "POST" or "if-none-exist" in each.headers):
        raise FhirRefused(path=where, problem="only what creates is taken in a collection")
    named = each.path.rpartition("/")[2]
    if each.method == "POST" and named in resource_types() and named != each.kind:
        raise FhirRefused(path=f"{where}.url", problem="names another type than the resource's")
