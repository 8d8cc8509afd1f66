"""What is asked of Users, and what becomes of it: somebody joins, changes, leaves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from careledger.app.identity import employing, grouping
from careledger.app.identity.employing import BY_SCIM, Listed
from careledger.domain.errors import LoginTaken, PartyNotFound
from careledger.gateway.scim.asked import Answer, Asked, Shared, current, one, page
from careledger.gateway.scim.patching import patched
from careledger.gateway.scim.shown import filtered
from careledger.gateway.scim.users import FILTERS, resource, wanted


class Users(Shared):
    """By the methods of RFC 7644."""

    def search(self, asked: Asked) -> Answer:
        """A page of them; raises ScimRefused."""
        there = [each for each in employing.listed(asked.employer) if not each.member.gone]
        if "filter" in asked.query:
            name, value = filtered(asked.query["filter"], FILTERS)
            there = [each for each in there if _says(each, name, value)]
        return page(asked, there, lambda part: self._shown(asked, part))

    def create(self, asked: Asked) -> Answer:
        """Raises LoginTaken, ScimRefused."""
        made = wanted(asked.body)
        desk, employer = self._employing, asked.employer
        there = employing.by_login(employer, made.login)
        if there is not None and not there.member.gone and employing.is_whole(desk, there):
            raise LoginTaken()
        joined = (
            employing.join(desk, employer, made, BY_SCIM)
            if there is None
            else employing.change(desk, there, made)
        )
        return one(asked, self._one(asked, joined), 201)

    def read(self, asked: Asked) -> Answer:
        """Raises PartyNotFound."""
        return one(asked, self._one(asked, _found(asked)))

    def replace(self, asked: Asked) -> Answer:
        """Raises PartyNotFound, VersionConflict, ScimRefused, LoginTaken."""
        found = _found(asked)
        current(asked, self._one(asked, found))
        return one(asked, self._one(asked, self._became(found, asked.body)))

    def patch(self, asked: Asked) -> Answer:
        """As ``replace``."""
        found = _found(asked)
        said = patched(current(asked, self._one(asked, found)), asked.body)
        return one(asked, self._one(asked, self._became(found, said)))

    def delete(self, asked: Asked) -> Answer:
        """Raises PartyNotFound, VersionConflict."""
        found = _found(asked)
        current(asked, self._one(asked, found))
        employing.forget(self._employing, found)
        return Answer(204, None)

    def _became(self, found: Listed, said: Mapping[str, Any]) -> Listed:
        """As that User says, which is read whole before anything is done."""
        return employing.change(self._employing, found, wanted(said))

    def _one(self, asked: Asked, who: Listed) -> dict[str, Any]:
        return self._shown(asked, [who])[0]

    def _shown(self, asked: Asked, those: list[Listed]) -> list[dict[str, Any]]:
        posts = [each.member.post for each in those if each.member.active]
        teams = grouping.tree(self._employing, asked.employer, posts)
        return [resource(each, self._base, teams) for each in those]


def _found(asked: Asked) -> Listed:
    """Somebody in the list of the operator's own organisation; raises PartyNotFound."""
    if not re.fullmatch("[0-9a-f]{32}", asked.parts["id"], re.ASCII):
        raise PartyNotFound()
    found = employing.by_id(asked.employer, bytes.fromhex(asked.parts["id"]))
    if found.member.gone:
        raise PartyNotFound()
    return found


def _says(each: Listed, name: str, value: str) -> bool:
    if name == "userName":
        return each.member.login.casefold() == value.strip().casefold()
    return value == (each.id.hex() if name == "id" else each.member.external)
