"""What is sent to a post's endpoint: an event, signed as Standard Webhooks 1.0.0 has it (symmetric, ``v1``)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

from careledger.formats.events import Endpoint
from careledger.gateway.events.inbox import Numbered
from careledger.gateway.events.streams import shown

PREFIX = "whsec_"


@dataclass(frozen=True, repr=False)
class Posted:
    """Headers and body of one attempt."""

    headers: dict[str, str]
    body: bytes


def secret_of(endpoint: Endpoint) -> str:
    """The signing secret as it is shown once."""
    return PREFIX + base64.b64encode(endpoint.secret).decode("ascii")


def posted(endpoint: Endpoint, told: Numbered, now: int) -> Posted:
    """An event for an endpoint, signed now; the id is the same at each attempt."""
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
