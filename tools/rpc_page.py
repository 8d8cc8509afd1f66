"""Writes docs/rpc.md: how to use the JSON-RPC server, its methods, limits and error codes, from the code itself.

Run ``python tools/rpc_page.py`` after a change of careledger.rpc; ``--check`` only says whether the page is fresh
(exit status 1 if not).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from careledger.app import serving
from careledger.rpc import criteria, dispatch, filters, http, logs, network, server, state
from careledger.rpc.method import REQUIRED, Method
from careledger.rpc.methods import KEYLESS, METHODS
from careledger.rpc.refusals import Refusal

PAGE = Path(__file__).parent.parent / "docs" / "rpc.md"

URL = f"http://{server.HOST}:{server.PORT}"

HEAD = f"""# The embedded chain over JSON-RPC

`careledger chain serve --data DIR` lets Ethereum's own tools look at the embedded chain and send signed
transactions to it, at `{URL}` unless `--host` and `--port` say otherwise. It answers as Besu does, the node of the
[production network](chain.md), with the same names, limits and error codes; where the embedded chain differs, it
says so in the error. This page is written by `tools/rpc_page.py` from the dispatch table.

- One process at a time has the directory open: while the server runs, only `chain head` and `chain verify` read it
  beside.
- A transaction is answered when its block is durable, so its receipt is there at once. Senders who wait together
  share a block, and so do transactions that follow one another in one array.
- There is no pool: `pending` is `latest`, a nonce that leaves a gap is refused, nothing is ever dropped or
  replaced. Every block is final, but `safe` and `finalized` are errors, as on Besu with QBFT.
- Gas is free and there are no coins: gas price and value have to be 0, every balance is 0.
- Any block can be asked about. The newest is asked on the chain's engine, an earlier one on the executable
  specification, with at most {state.PAST_GAS:,} gas. `eth_getProof` does not exist here ([why](chain.md)).
- Ctrl-C or SIGTERM ends it: what is under way is answered within {serving.ENDS_WITHIN} seconds.

## Who may ask

Programs of this machine. The server listens on loopback only and refuses another host at the start; a request whose
`Host` is not a name of loopback is refused (a page elsewhere whose name was made to lead here), and so is one that
a browser sends for an origin that was not allowed with `--allow-origin`. There are no other rights to give: whoever
can send must sign, and the contracts decide what a key may do. Logs name a method and an error class, never what
was asked.

## What to type

```console
$ careledger chain serve --data demo-data
$ curl -H 'Content-Type: application/json' {URL} \\
    -d '{{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}}'
```

```python
from web3 import Web3

chain = Web3(Web3.HTTPProvider("{URL}"))
```

| tool | what to type |
|---|---|
| viem | `createPublicClient({{ transport: http("{URL}") }})` |
| ethers | `new JsonRpcProvider("{URL}", undefined, {{ cacheTimeout: -1 }})` |
| Foundry | `cast send --rpc-url {URL} --gas-price 0 --priority-gas-price 0` or `--legacy --gas-price 0` |
| Hardhat 3 | a network `{{ type: "http", url: "{URL}", gasPrice: 0, accounts: [KEY] }}` |

ethers remembers the newest block for a quarter of a second, and a block that came at once would not be in it.
Hardhat offers a fee, which is refused, unless it is told not to. Tests deploy, call, watch and are refused with
web3.py, viem, ethers and cast, by both types of transaction; Hardhat 3.18 deployed by hand.

A wallet: open `{URL}/`, whose button asks the wallet to add the network (EIP-3085), or type the values that stand
there. The wallet itself asks from its own origin, which has to be allowed: `--allow-origin chrome-extension://ID`,
with the identifier that the browser shows for the extension.

## Methods

An optional parameter stands in brackets. A block is a quantity, `latest`, `earliest` or `pending`; for state also a
hash or an object with `blockNumber` or `blockHash` (EIP-1898). Quantities have no leading zeros, data has two
digits for each byte, an unknown field or a parameter too many is refused: what is not understood is never ignored.

| method | parameters | answer |
|---|---|---|
"""

LIMITS = f"""
## Limits

| what | at most | else |
|---|---|---|
| bytes of one request | {http.MOST_BYTES:,} | HTTP 413 |
| time to send one | {http.READ_WITHIN:.0f} s | HTTP 408 |
| connections | {serving.MOST_CONNECTIONS} | HTTP 503 |
| requests in one array | {dispatch.MOST_REQUESTS:,} | one error object, -32005 |
| nesting | {dispatch.MOST_DEPTH} | -32700 |
| blocks of one search for logs | {logs.MOST_BLOCKS:,} after the first | -32005 |
| logs in one answer | {logs.MOST_LOGS:,}, and {logs.MOST_BYTES:,} bytes of data | -32005 |
| answers to one array | {dispatch.MOST_ANSWERED:,} bytes | -32005 for each that is left; transactions are answered |
| addresses, or topics at one place | {criteria.MOST_ADDRESSES:,} | -32602 |
| live filters | {filters.MOST_FILTERS:,} | -32005 |
| a filter nobody asks | {filters.FORGOTTEN_AFTER / 60:.0f} minutes | it is forgotten |
| blocks of a fee history | {network.MOST_FEE_BLOCKS:,} | -32602 |

## Errors

`message` begins as Besu's; after a colon it says what exactly was wrong, and repeats nothing of the request. For
code 3 it ends with the contract's reason, and `data` is the revert data. Parse errors and invalid requests come
with HTTP 400, everything else with 200. A notification (no `id`) is neither carried out nor answered, as on Besu.

| code | message |
|---|---|
"""

TAIL = f"""
{", ".join(f"`{name}`" for name in sorted(KEYLESS))} give {Refusal.NOT_ENABLED.value[0]}: the server holds no keys.
`Sender account not authorized` here means that code stands at the sender's address (EIP-3607); the embedded chain
has no list of accounts. `{Refusal.SIZE.value[1]}` is this server's own. A transaction that the chain could not
store gives -32603: look for its receipt, then send the same bytes again.
"""


def page() -> str:
    """The whole page."""
    methods = "".join(
        f"| `{each.name}` | {', '.join(_parameters(each)) or '–'} | {each.says} |\n"
        for each in METHODS.values()
    )
    errors = "".join(
        f"| {code} | {message} |\n" for code, message in sorted({kind.value for kind in Refusal})
    )
    return HEAD + methods + LIMITS + errors + TAIL


def _parameters(method: Method) -> Iterator[str]:
    for each in method.parameters:
        yield each.name if each.otherwise is REQUIRED else f"[{each.name}]"


def main() -> int:
    """Writes the page, or with ``--check`` compares it."""
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.is_file() and PAGE.read_text("utf-8") == page() else 1
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
