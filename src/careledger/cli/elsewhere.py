"""A ledger on nodes elsewhere, as ``careledger init`` is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from careledger.app.settings import RemoteLedger
from careledger.domain.errors import SettingsRefused

_OPTIONS = {
    "authorization": "--node-header",
    "authorities": "--node-authorities",
}
Nodes = Annotated[
    list[str] | None,
    typer.Option(
        "--node",
        metavar="URL",
        help="Put the ledger on the network of this node, and its contracts there; repeatable, the preferred one "
        "first. Without it the chain is in the data directory.",
    ),
]
Agreeing = Annotated[
    int,
    typer.Option(help="How many of the nodes must show a block before it counts; 1 trusts a single node."),
]
Oldest = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="SECONDS",
        help="How old a node's newest block may be for something to be decided on it.",
    ),
]
Header = Annotated[
    Path | None,
    typer.Option(
        "--node-header",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        resolve_path=True,
        help="A file for its owner alone with the nodes' Authorization header (Basic … or Bearer …).",
    ),
]
Authorities = Annotated[
    Path | None,
    typer.Option(
        "--node-authorities",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        resolve_path=True,
        help="The certificates that https nodes are checked against, instead of the system's.",
    ),
]


def remote(
    nodes: Sequence[str],
    chain_id: int,
    agreeing: int,
    oldest: int,
    header: Path | None,
    authorities: Path | None,
) -> RemoteLedger | None:
    """That ledger, None if no node is named; enough nodes have answered, with that chain id.

    Raises BadParameter naming the option that cannot be, WrongNetwork, NodeUnavailable.
    """
    from careledger.app.ledgers import greet

    if not nodes:
        if header or authorities:
            raise typer.BadParameter("goes with --node", param_hint="--node-header / --node-authorities")
        return None
    if agreeing > len(nodes):
        raise typer.BadParameter(
            f"{agreeing} nodes have to agree; named: {len(nodes)}. Name more, or trust fewer",
            param_hint="--agreeing",
        )
    try:
        made = RemoteLedger(
            tuple(nodes),
            agreeing,
            oldest,
            authorization=str(header or ""),
            authorities=str(authorities or ""),
        )
        greet(chain_id, made)
    except SettingsRefused as refused:
        option = _OPTIONS.get(str(refused.details.get("key")), "--node")
        raise typer.BadParameter(str(refused.details.get("why")), param_hint=option) from None
    return made
