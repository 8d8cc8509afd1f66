"""Apps that patients let in, each for themselves: every one is a party of its own on the ledger.

The organisation that registers such an app vouches for a post of it, whose key its gateway keeps, as of any machine's
post: whoever runs that gateway could read what patients grant to the app, and the log would name the app. Order of
effects: the post's key durable, the post on the ledger, the client's row; at the end the post, then the row. Each may
be repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from careledger.app import clients
from careledger.app.clients import Registered
from careledger.app.founding import licence
from careledger.app.identity import accounts
from careledger.app.scopes import ANY, Word
from careledger.app.world import World
from careledger.domain.categories import Category
from careledger.domain.errors import ClientNotFound, ClientRefused
from careledger.domain.parties import Role
from careledger.fhir.mapping import rules_by_type
from careledger.formats.apps import AppClient
from careledger.workflows import parties, register
from careledger.workflows.actors import Organisation, Staff

ROLE = Role.NURSE
"""What its post is on the ledger, which has no role for apps: as clerks and desks, it reads what a patient names."""


def add(world: World, employer: Organisation, client: AppClient) -> str:
    """Registers an app and its post; returns its client id. Raises ClientRefused, KeySetRefused, ScopeRefused, and what
    the ledger refuses with."""
    clients.check(replace(client, post=1))
    staff = _post(world, employer, label_of(client.name))
    register.post(world.network, staff, {ROLE}, licence(""))
    return clients.add(employer, replace(client, post=staff.number))


def remove(world: World, employer: Organisation, id: str) -> None:
    """Its post ends on the ledger, and with it every consent to it; then it is no client. Raises ClientNotFound."""
    client = clients.known(employer.books, id)
    if client is None:
        raise ClientNotFound()
    staff = world.keyring.post(employer, client.post)
    if clients.is_of_patients(client) and staff is not None:
        parties.end_post(world.network, staff)
    clients.remove(employer, id)


def find(employers: Iterable[Organisation], id: str) -> Registered:
    """The app of patients with that client id; raises ClientNotFound for every other."""
    found = clients.find(employers, id)
    if not clients.is_of_patients(found.client):
        raise ClientNotFound()
    return found


def categories(words: Iterable[Word]) -> frozenset[Category]:
    """The categories that records of these scopes' types can be filed under: a consent to all of them covers what the
    scopes show, and the scopes show less than such a consent covers."""
    named = {each.kind for each in words}
    kinds = rules_by_type().keys() if ANY in named else named
    placed = (rule.category for kind in kinds for rule in rules_by_type().get(kind, ()))
    return frozenset(each for each in placed if each is not None)


def label_of(name: str) -> str:
    """What an app's post is called."""
    return f"{name} (app)"


def _post(world: World, employer: Organisation, label: str) -> Staff:
    """A new post, or that of a registration which broke off; raises ClientRefused for a name that is taken."""
    left = world.keyring.all_staff(employer).get(label)
    if left is None and label not in world.keyring.labels().values():
        return world.keyring.new_staff(employer, label, {ROLE})
    taken = {each.post for each in clients.registered(employer).values()}
    held = left is not None and employer.books.get(accounts.OF_POST, left.number.to_bytes(8, "big"))
    facts = None if left is None else world.ledger.fresh_head().party(left.number)
    if left is None or held or left.number in taken or (facts is not None and facts.roles != {ROLE}):
        raise ClientRefused(why="another party here is called so")
    return left
