"""Whether another version follows one that a reader holds: asked of custodians, without opening anything.

A lease shows what was released when it was opened; whoever writes what follows a version of it asks this first.
Nothing is changed outside but the custodians' logs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from careledger.formats.patients import AliasStatement
from careledger.formats.releases import Answer
from careledger.workflows.asking import Access, ask
from careledger.workflows.evidence import gather
from careledger.workflows.network import Network
from careledger.workflows.retrieve import Record, require_answers


def is_superseded(network: Network, access: Access, statement: AliasStatement, record: Record) -> bool:
    """Whether custodians hold an anchored version that names this one as its predecessor; raises as ``retrieve``."""
    return record.handle in following(network, access, statement, [record.compartment.number])


def following(
    network: Network, access: Access, statement: AliasStatement, compartments: Sequence[int]
) -> dict[bytes, set[bytes]]:
    """The anchored versions in these compartments that name a predecessor, by that one; raises as ``retrieve``."""
    asked = ask(network, access, statement, None, compartments)
    require_answers(network, asked)
    view = network.ledger.fresh_head()
    answers = [(_following(answer), signed) for answer, signed in asked.answers]
    gathered = gather(view, statement.alias, len(statement.custodians), answers)
    made = defaultdict[bytes, set[bytes]](set)
    for found in gathered.found.values():
        if found.item.predecessor is not None:
            made[found.item.predecessor].add(found.row.handle)
    return made


def _following(answer: Answer) -> Answer:
    """The rows that name a predecessor: what the others say is neither verified nor used."""
    return replace(answer, rows=tuple(row for row in answer.rows if row.predecessor is not None))
