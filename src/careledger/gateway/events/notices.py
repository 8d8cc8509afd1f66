"""What is sent to a post's endpoint.

To a webhook an event, signed as Standard Webhooks 1.0.0 has it (symmetric, ``v1``); for a FHIR Subscription nothing, or
a notification Bundle as the Subscriptions R5 Backport has it for R4.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from careledger.formats.events import Endpoint
from careledger.gateway.events.inbox import Numbered
from careledger.gateway.events.streams import shown

PREFIX = "whsec_"
WEBHOOK, NOTHING, EMPTY, ID_ONLY = "webhook", "nothing", "empty", "id-only"
SUBSCRIPTIONS = (NOTHING, EMPTY, ID_ONLY)
"""Forms of what is sent for a Subscription: a POST without a body, or a Bundle without and with what it is about."""
FHIR = "application/fhir+json"
STATUS = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4"


class Due(NamedTuple):
    """What is sent next: an event and what it is about, as addresses; and once it is delivered, the event that was
    reached and the place in the deposit of the one after it."""

    told: Numbered
    named: tuple[str, ...]
    reached: int
    place: int


@dataclass(frozen=True, repr=False)
class Posted:
    """Headers and body of one attempt."""

    headers: dict[str, str]
    body: bytes


def secret_of(endpoint: Endpoint) -> str:
    """The signing secret as it is shown once."""
    return PREFIX + base64.b64encode(endpoint.secret).decode("ascii")


def posted(endpoint: Endpoint, due: Due, now: int, base: str) -> Posted:
    """What is sent to an endpoint at an attempt now; ``base`` is the FHIR address."""
    if endpoint.form == WEBHOOK:
        return _signed(endpoint, due.told, now)
    along = dict(each.split(": ", 1) for each in endpoint.headers)
    if endpoint.form == NOTHING:
        return Posted(along, b"")
    bundle = _notification(endpoint, due, base)
    return Posted({**along, "Content-Type": FHIR}, json.dumps(bundle, separators=(",", ":")).encode())


def _notification(endpoint: Endpoint, due: Due, base: str) -> dict[str, Any]:
    """A notification of what happened at once; the numbers count what was sent for this Subscription."""
    id, time, events, about = UUID(bytes=endpoint.id), shown(due.told)["time"], [], []
    for number, named in enumerate(due.named, endpoint.sent + 1):
        part: list[dict[str, Any]] = [
            {"name": "event-number", "valueString": str(number)},
            {"name": "timestamp", "valueInstant": time},
        ]
        if endpoint.form == ID_ONLY:
            full = f"{base}/{named}"
            part.append({"name": "focus", "valueReference": {"reference": full}})
            request = {"method": "GET", "url": named}
            about.append({"fullUrl": full, "request": request, "response": {"status": "200"}})
        events.append({"name": "notification-event", "part": part})
    parameters = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{id}"}},
        {"name": "status", "valueCode": "active"},
        {"name": "type", "valueCode": "event-notification"},
        {"name": "events-since-subscription-start", "valueString": str(endpoint.sent + len(due.named))},
        *events,
    ]
    meta = {"profile": [STATUS]}
    status = {"resourceType": "Parameters", "id": str(uuid4()), "meta": meta, "parameter": parameters}
    first = {
        "fullUrl": f"urn:uuid:{status['id']}",
        "resource": status,
        "request": {"method": "GET", "url": f"Subscription/{id}/$status"},
        "response": {"status": "200"},
    }
    return {
        "resourceType": "Bundle",
        "type": "history",
        "timestamp": time,
        "entry": [first, *about],
    }


def _signed(endpoint: Endpoint, told: Numbered, now: int) -> Posted:
    """The id is the same at each attempt, the time that of this one."""
    said = shown(told)
    payload = {
        "type": said["kind"],
        "timestamp": said["time"],
        "data": {"number": said["number"], "reference": said["reference"]},
    }
    body = json.dumps(payload, separators=(",", ":")).encode()
    id = f"msg_{endpoint.id.hex()}_{told.number}"
    tag = hmac.new(
        endpoint.secret, b".".join([id.encode(), str(now).encode(), body]), hashlib.sha256
    ).digest()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(now),
        "webhook-signature": "v1," + base64.b64encode(tag).decode("ascii"),
    }
    return Posted(headers, body)
