"""A SCIM client of somebody else's, and its checks of a server, against ours (scim2-client, scim2-tester)."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
import scim2_models
import urllib3
from scim2_client.client import BaseSyncSCIMClient
from scim2_tester import Status, check_server

from careledger.domain.parties import Role
from gateway.edge_world import Edge
from gateway.test_scim import JSON, employed

NOT_HERE = (
    "There is nothing here that answers this.",  # POST /.search, which RFC 7644 leaves to the server
    "Failed to remove attribute 'active'",  # somebody works here or does not
    "PATCH modify() did not remove attribute 'displayName'",  # a post is called something: then by the login
)
WAITS = urllib3.Retry(
    total=20,
    connect=0,
    read=0,
    redirect=0,
    status_forcelist=[429],
    allowed_methods=None,
    raise_on_status=False,
)


@dataclass
class Answered:
    """A response as scim2-client reads one."""

    status_code: int
    headers: Any
    text: str

    def json(self) -> Any:
        """What the text says."""
        return json.loads(self.text)


@dataclass
class Outsider(BaseSyncSCIMClient):
    """scim2-client over urllib3; told that it asks too fast, it waits as long as it is told."""

    place: str
    token: str
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=WAITS))

    def __post_init__(self) -> None:
        super().__init__()

    def request(self, method: str, url: str, **given: Any) -> Answered:
        """One request, with the token."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": JSON,
            **dict(given.get("headers") or {}),
        }
        said = given.get("json")
        query = given.get("params")
        made = self.pool.request(
            method, self.place + url + ("?" + urlencode(query) if query else ""),
            body=None if said is None else json.dumps(said).encode(), headers=headers,
        )  # fmt: skip
        return Answered(made.status, made.headers, made.data.decode())


def outsider(edge: Edge) -> Outsider:
    client = employed(edge, "Delta", Role.OPERATOR)
    return Outsider(f"{edge.gateway.url}/scim/v2", client.token)


def test_the_checks_of_another_implementation_find_nothing_wrong(edge: Edge) -> None:
    results = check_server(outsider(edge))
    wrong = [str(each.reason) for each in results if each.status is not Status.SUCCESS]
    assert [each for each in wrong if not each.startswith(NOT_HERE)] == []
    done = Counter((each.resource_type, each.title) for each in results if each.status is Status.SUCCESS)
    assert sum(done.values()) >= 40
    for kind in ("User", "Group"):
        assert done[kind, "check_replace_attribute"] >= 3
        assert done[kind, "object_query_with_attributes"] == done[kind, "object_list_with_attributes"] == 2


def test_a_client_of_somebody_elses_fills_a_team_and_is_told_of_what_another_did_meanwhile(
    edge: Edge,
) -> None:
    client: Any = outsider(edge)
    models: Any = scim2_models
    client.discover()
    user, group = (client.get_resource_model(name) for name in ("User", "Group"))
    who = client.create(user(user_name=f"u-{secrets.token_hex(4)}", roles=[{"value": "nurse"}]))
    made = client.create(group(display_name=f"Ward {secrets.token_hex(4)}", members=[{"value": who.id}]))
    assert [each.value for each in made.members] == [who.id]
    seen = client.query(user, who.id)
    assert [(each.value, each.display) for each in seen.groups] == [(made.id, made.display_name)]
    found = client.query(
        group, query_parameters=models.SearchRequest(filter=f'displayName eq "{made.display_name}"')
    )
    assert [each.id for each in found.resources] == [made.id]
    taken = models.PatchOp[group](
        operations=[models.PatchOperation(op="remove", path=f'members[value eq "{who.id}"]')]
    )
    assert not client.modify(group, made.id, taken).members
    with pytest.raises(scim2_models.SCIMException) as refused:
        client.replace(made)  # by the version that it saw
    assert str(refused.value.status) == "412"
    client.delete(group, made.id)
