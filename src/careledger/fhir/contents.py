"""A Binary whose file lies beside it: an extension where its data would stand states the file's length and SHA-256."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from careledger.fhir.json_text import Number, Resource

URL = "urn:careledger:content"
SIZE, SHA256 = "size", "sha256"


def binary(id: str, kind: str, size: int, sha256: bytes, **more: Any) -> Resource:
    """The Binary of a file of this MIME type, length and SHA-256."""
    said = [
        {"url": SIZE, "valueUnsignedInt": Number(str(size))},
        {"url": SHA256, "valueBase64Binary": base64.b64encode(sha256).decode("ascii")},
    ]
    data = {"extension": [{"url": URL, "extension": said}]}
    return {"resourceType": "Binary", "id": id, "contentType": kind, **more, "_data": data}


def stated(resource: Resource) -> tuple[int, bytes] | None:
    """The length and SHA-256 of the file that lies beside a Binary; None where it states none, or not exactly so."""
    try:
        if resource["resourceType"] != "Binary" or "data" in resource:
            return None
        [extension] = [each for each in resource["_data"]["extension"] if each["url"] == URL]
        size, sha256 = extension["extension"]
        if (size["url"], sha256["url"]) != (SIZE, SHA256):
            return None
        return int(size["valueUnsignedInt"].text), base64.b64decode(
            sha256["valueBase64Binary"], validate=True
        )
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
        return None
