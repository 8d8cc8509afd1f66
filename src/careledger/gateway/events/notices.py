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
from typing import Any
from uuid import UUID, uuid4

from careledger.formats.events import Endpoint
from careledger.gateway.events.inbox import Numbered
from careledger.gateway.events.streams import reference, shown

PREFIX = "whsec_"
WEBHOOK, NOTHING, EMPTY, ID_ONLY = "webhook", "nothing", "empty", "id-only"
SUBSCRIPTIONS = (NOTHING, EMPTY, ID_ONLY)
"""Forms of what is sent for a Subscription: a POST without a body, or a Bundle without and with what it is about."""
FHIR = "application/fhir+json"
STATUS = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4"


@dataclass(frozen=True, repr=False)
class Posted:
    """Headers and body of one attempt."""

    headers: dict[str, str]
    body: bytes


def secret_of(endpoint: Endpoint) -> str:
    """The signing secret as it is shown once."""
    return PREFIX + base64.b64encode(endpoint.secret).decode("ascii")


def posted(endpoint: Endpoint, told: Numbered, now: int, base: str) -> Posted:
    """What an event is for an endpoint at an attempt now; ``base`` is the FHIR address."""
    if endpoint.form == WEBHOOK:
        return _signed(endpoint, told, now)
    along = dict(each.split(": ", 1) for each in endpoint.headers)
    if endpoint.form == NOTHING:
        return Posted(along, b"")
    bundle = _notification(endpoint, told, base)
    return Posted({**along, "Content-Type": FHIR}, json.dumps(bundle, separators=(",", ":")).encode())


def _notification(endpoint: Endpoint, told: Numbered, base: str) -> dict[str, Any]:
    """A notification of one event; its number counts what was sent for this Subscription."""
    id, number = UUID(bytes=endpoint.id), str(endpoint.sent + 1)
    event: list[dict[str, Any]] = [
        {"name": "event-number", "valueString": number},
        {"name": "timestamp", "valueInstant": shown(told)["time"]},
    ]
    about = []
    if endpoint.form == ID_ONLY:
        named = f"{base}/{reference(told.event)}"
        event.append({"name": "focus", "valueReference": {"reference": named}})
        request = {"method": "GET", "url": reference(told.event)}
        about = [{"fullUrl": named, "request": request, "response": {"status": "200"}}]
    parameters = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{id}"}},
        {"name": "status", "valueCode": "active"},
        {"name": "type", "valueCode": "event-notification"},
        {"name": "events-since-subscription-start", "valueString": number},
        {"name": "notification-event", "part": event},
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
        "timestamp": event[1]["valueInstant"],
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
