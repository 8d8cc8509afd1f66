"""``careledger chain``: the embedded chain by itself, also while it is running."""

from __future__ import annotations

from typing import Annotated

import typer

from careledger.cli.opening import existing, opened
from careledger.cli.options import DATA, Data, Json, command, group
from careledger.cli.output import print_json, progress, screen
from careledger.cli.words import moment

app = group("Look at the chain, replay it, or make what is folded from it again.")


@command(app, "head", "careledger chain head")
def head(data: Data = DATA, as_json: Json = False) -> None:
    """Show the chain's last block; remember its hash, and `chain verify --remember` finds a chain cut short."""
    from careledger.adapters.evm.verify import chain_head
    from careledger.app.ledgers import embedded_folder

    header = chain_head(embedded_folder(existing(data)))
    facts = {
        "number": header.number,
        "hash": header.hash.hex(),
        "parent": header.parent.hex(),
        "time": moment(header.timestamp),
        "state": header.state.hex(),
        "gas_used": header.gas_used,
    }
    if as_json:
        print_json(facts)
    else:
        screen().facts(
            f"Block {header.number}", [(name.replace("_", " "), facts[name]) for name in list(facts)[1:]]
        )


@command(app, "verify", "careledger chain verify", "careledger chain verify --engine eels --json")
def verify(
    data: Data = DATA,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The EVM to replay on: revm, or eels (the executable specification)."
        ),
    ] = None,
    remember: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER:HASH", help="A block that somebody remembers: the chain must still hold it."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Replay every block from genesis and compare every hash, receipt, log and state row."""
    from careledger.adapters.evm.verify import chain_head, verify_chain
    from careledger.app.ledgers import embedded_folder

    remembered = _remembered(remember)
    if engine not in (None, "revm", "eels"):
        raise typer.BadParameter("revm or eels", param_hint="--engine")
    folder = embedded_folder(existing(data))
    last = chain_head(folder).number
    with progress() as bar:
        task = bar.add_task("blocks", total=last)
        found = verify_chain(folder, engine, remembered, lambda number: bar.update(task, completed=number))
    facts = {
        "verified": True,
        "engine": found.engine,
        "blocks": found.head.number,
        "transactions": found.transactions,
        "accounts": found.accounts,
        "slots": found.slots,
        "head": found.head.hash.hex(),
    }
    if as_json:
        print_json(facts)
        return
    screen().holds(
        f"{found.transactions:,} transactions in {found.head.number:,} blocks replayed on {found.engine}: every hash, "
        f"receipt, log and state row is the stored one."
    )
    screen().says(f"  head {found.head.number}:{found.head.hash.hex()}")


def _remembered(said: str | None) -> tuple[int, bytes] | None:
    if said is None:
        return None
    number, _, digest = said.partition(":")
    try:
        found = int(number), bytes.fromhex(digest.removeprefix("0x"))
    except ValueError:
        found = -1, b""
    if found[0] < 0 or len(found[1]) != 32:
        raise typer.BadParameter("a block number, a colon and 64 hex digits", param_hint="--remember")
    return found


@command(app, "rebuild", "careledger chain rebuild")
def rebuild(data: Data = DATA, as_json: Json = False) -> None:
    """Drop the facts that were folded from the chain's events and fold them again from genesis."""
    with opened(data) as world:
        before = world.ledger.rows()
        reached = world.ledger.rebuild()
        after = world.ledger.rows()
    facts = {"rows": len(after), "differed": len(set(before) ^ set(after)), "head": reached.number}
    if as_json:
        print_json(facts)
        return
    same = "the same as before" if not facts["differed"] else f"{facts['differed']:,} of them not as before"
    screen().holds(f"{len(after):,} rows folded again up to block {reached.number:,}: {same}.")


@command(app, "serve", "careledger chain serve", "careledger chain serve --port 0 --json")
def serve(
    data: Data = DATA,
    host: Annotated[str, typer.Option(metavar="HOST", help="A name or address of loopback.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65_535, help="0 takes a free one.")] = 8545,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin",
            metavar="ORIGIN",
            help="An origin whose pages may ask from a browser, such as a wallet's; repeatable.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let Ethereum's tools look at the chain and send to it by JSON-RPC, until Ctrl-C; for this machine alone.

    Nothing else may have the data directory open meanwhile.
    """
    from careledger.cli.serving import serve_chain

    serve_chain(existing(data), host, port, origin or [], as_json)
