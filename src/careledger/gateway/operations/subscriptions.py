"""``Subscription`` (R4, rest-hook): a machine's post is told that a consent that names it came, or ended, or that its
organisation wrote something that answers a search.

Of what others write a gateway learns when it asks, so there is nothing to tell. What is sent says nothing, or the ids;
what they show is decided when they are read. A Subscription is its post's alone, is delivered, tried again and given up
like a webhook, and ends with its post.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from careledger.app.tokens import Bearer
from careledger.domain.errors import ActRefused, FhirRefused
from careledger.fhir.json_text import Resource
from careledger.formats.events import Endpoint
from careledger.gateway.desk import Desk, uuid_of
from careledger.gateway.events import stages
from careledger.gateway.events.delivery import ACTIVE, DEAD, MACHINES
from careledger.gateway.events.notices import EMPTY, FHIR, ID_ONLY, NOTHING, SUBSCRIPTIONS
from careledger.gateway.events.noticing import DEPOSITED
from careledger.gateway.http import CREATED, JSONS, NO_CONTENT, PART, Answered, Asked, Handler
from careledger.gateway.own.subscribed import PLACE, criteria_of
from careledger.gateway.sent import sent
from careledger.gateway.views import Shown
from careledger.workflows.network import verified

KIND = "Subscription"
INTERACTIONS = ("read", "create", "delete")
HELD = "Consent"
"""The criteria of the consents that a post holds."""
KINDS = (stages.GIVEN, stages.ENDED, stages.EXPIRED, stages.REVOKED)
MOST_CRITERIA = 2_000
CONTENT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"
MOST = 64 * 1024
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}): ([!-~]([ -~]{0,800}[!-~])?)")
_OWN = frozenset(
    {"host", "content-length", "content-type", "connection", "transfer-encoding", "te", "trailer", "upgrade", "expect",
     "keep-alive", "user-agent"}
)  # fmt: skip
"""Headers that are the delivery's own."""


def handlers(desk: Desk) -> list[Handler]:
    """The routes; no app has any."""
    return [
        Handler("POST", "/Subscription", partial(create, desk), JSONS, MOST),
        Handler("GET", "/Subscription/{id}", partial(show, desk), looks_at=PART),
        Handler("DELETE", "/Subscription/{id}", partial(delete, desk)),
    ]


def create(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """A new one, in force when it is answered. Raises ActRefused for a post that is no machine's or operator's,
    FhirRefused for what is not supported, EndpointRefused, in somebody's session FreshProofNeeded."""
    who.require_fresh(desk.world.clock.now())
    if not verified(desk.world.ledger.fresh_head(), who.staff.number).roles & MACHINES:
        raise ActRefused(why="only posts of machines and operators have events sent")
    if "if-none-exist" in asked.headers:
        raise FhirRefused(path="If-None-Exist", problem="subscriptions are not searched")
    now, said = desk.world.clock.now(), _checked(asked.body)
    channel, criteria = said["channel"], _criteria(desk, said["criteria"])
    desk.events.delivery.sender.target(channel["endpoint"])
    made = Endpoint(
        secrets.token_bytes(16), who.staff.number, channel["endpoint"], (DEPOSITED,) if criteria else KINDS, bytes(32),
        now, desk.events.position(who.staff, None), 0, 0, ACTIVE, "", 0, _form(channel), _headers(channel),
        _until(said, now), said["reason"], criteria, 0,
    )  # fmt: skip
    made = desk.events.delivery.add(who.staff, made)
    shown = _resource(made)
    return Answered(shown, Shown(KIND, shown["id"], "0", 0, shown), CREATED)


def show(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The post's own, and how it goes; raises RecordNotFound."""
    found = desk.events.delivery.one(who.staff, uuid_of(asked.path["id"]), SUBSCRIPTIONS)
    return Answered(asked.part(_resource(found)))


def delete(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """Nothing is sent for it any more; raises RecordNotFound."""
    desk.events.delivery.remove(who.staff, uuid_of(asked.path["id"]), SUBSCRIPTIONS)
    return Answered(None, status=NO_CONTENT)


def _checked(body: bytes) -> Resource:
    """A Subscription that is supported here; raises FhirRefused."""
    made = sent(KIND, body)
    if made["status"] not in ("requested", "active"):
        raise FhirRefused(path="Subscription.status", problem="a new one is requested")
    if made["channel"]["type"] != "rest-hook" or "endpoint" not in made["channel"]:
        raise FhirRefused(path="Subscription.channel", problem="only rest-hook with an endpoint is supported")
    if len(made["reason"]) > 1_000:
        raise FhirRefused(path="Subscription.reason", problem="longer than 1,000 characters")
    return made


def _criteria(desk: Desk, said: str) -> str:
    """A search for own writings, empty for the consents that are held; raises FhirRefused."""
    kind, _, asked = said.partition("?")
    if kind == HELD and asked:
        raise FhirRefused(path=PLACE, problem=f"only {HELD} without parameters: the consents that are held")
    if kind == HELD:
        return ""
    if len(said) > MOST_CRITERIA:
        raise FhirRefused(path=PLACE, problem=f"longer than {MOST_CRITERIA} characters")
    criteria_of(said, desk.base, desk.now)
    return said


def _form(channel: Resource) -> str:
    """What is sent: no record ever is."""
    if "payload" not in channel:
        return NOTHING
    extensions = channel.get("_payload", {}).get("extension", ())
    wanted = [each.get("valueCode") for each in extensions if each.get("url") == CONTENT]
    if channel["payload"] not in JSONS or wanted not in ([EMPTY], [ID_ONLY]):
        problem = f"only {FHIR} with backport-payload-content empty or id-only, or no payload"
        raise FhirRefused(path="Subscription.channel.payload", problem=problem)
    return str(wanted[0])


def _headers(channel: Resource) -> tuple[str, ...]:
    found = [(each, _HEADER.fullmatch(each)) for each in channel.get("header", ())]
    if len(found) > 10 or any(made is None or made[1].lower() in _OWN for _, made in found):
        problem = "at most ten, each a name, a colon, a space and a value, and none of the delivery's own"
        raise FhirRefused(path="Subscription.channel.header", problem=problem)
    return tuple(each for each, _ in found)


def _until(said: Resource, now: int) -> int:
    if "end" not in said:
        return 0
    until = int(datetime.fromisoformat(said["end"]).timestamp())
    if until <= now:
        raise FhirRefused(path="Subscription.end", problem="is over already")
    return until


def _resource(kept: Endpoint) -> Resource:
    """As it stands: ``active`` while what is sent is taken, ``error`` while it is tried again, ``off`` for good."""
    channel: Resource = {"type": "rest-hook", "endpoint": kept.url}
    if kept.form != NOTHING:
        channel["payload"] = FHIR
        channel["_payload"] = {"extension": [{"url": CONTENT, "valueCode": kept.form}]}
    made: Resource = {
        "resourceType": KIND,
        "id": str(UUID(bytes=kept.id)),
        "status": "off" if kept.state == DEAD else "error" if kept.tries else "active",
        "reason": kept.reason,
        "criteria": kept.criteria or HELD,
        "channel": channel,
    }
    if kept.until:
        made["end"] = datetime.fromtimestamp(kept.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**made, "error": kept.problem} if kept.problem else made
