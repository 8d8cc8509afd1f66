"""What is asked of Groups, and what becomes of it: a team is formed, filled, emptied, given up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from careledger.app.identity import grouping
from careledger.app.identity.grouping import Group, WantedGroup
from careledger.domain.errors import TeamNotFound
from careledger.gateway.scim.asked import Answer, Asked, Shared, current, one, page
from careledger.gateway.scim.groups import FILTERS, patched, resource, says, wanted
from careledger.gateway.scim.patching import operations
from careledger.gateway.scim.shown import filtered


class Groups(Shared):
    """By the methods of RFC 7644; each is read whole before anything is done."""

    def search(self, asked: Asked) -> Answer:
        """A page of them; raises ScimRefused."""
        there = grouping.groups(self._employing, asked.employer)
        if "filter" in asked.query:
            name, value = filtered(asked.query["filter"], FILTERS)
            there = [each for each in there if says(each, name, value)]
        return page(asked, there, lambda part: [self._shown(each) for each in part])

    def create(self, asked: Asked) -> Answer:
        """Raises TeamTaken, ScimRefused, ActRefused."""
        made = grouping.form(self._employing, asked.employer, _wanted(asked, asked.body))
        return one(asked, self._shown(made), 201)

    def read(self, asked: Asked) -> Answer:
        """Raises TeamNotFound."""
        return one(asked, self._shown(self._found(asked)))

    def replace(self, asked: Asked) -> Answer:
        """Raises TeamNotFound, VersionConflict, TeamTaken, ScimRefused, ActRefused."""
        found = self._found(asked)
        current(asked, self._shown(found))
        return self._became(asked, found, asked.body)

    def patch(self, asked: Asked) -> Answer:
        """As ``replace``."""
        found = self._found(asked)
        said = patched(current(asked, self._shown(found)), operations(asked.body))
        return self._became(asked, found, said)

    def delete(self, asked: Asked) -> Answer:
        """Raises TeamNotFound, VersionConflict, LedgerRefused while teams are below it."""
        found = self._found(asked)
        current(asked, self._shown(found))
        grouping.give_up(self._employing, found)
        return Answer(204, None)

    def _became(self, asked: Asked, found: Group, said: Mapping[str, Any]) -> Answer:
        made = grouping.change(self._employing, found, _wanted(asked, said))
        return one(asked, self._shown(made))

    def _found(self, asked: Asked) -> Group:
        """A team of the operator's own organisation; raises TeamNotFound."""
        if not re.fullmatch("[0-9a-f]{16}", asked.parts["id"], re.ASCII):
            raise TeamNotFound()
        return grouping.group(self._employing, asked.employer, int(asked.parts["id"], 16))

    def _shown(self, group: Group) -> dict[str, Any]:
        return resource(group, self._base)


def _wanted(asked: Asked, said: Mapping[str, Any]) -> WantedGroup:
    return wanted(said, grouping.present(asked.employer))
