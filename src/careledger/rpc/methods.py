"""The table of everything that the server answers."""

from __future__ import annotations

from careledger.rpc import blocks, logs, network, sending, state
from careledger.rpc.method import Method

METHODS: dict[str, Method] = {
    method.name: method for part in (network, blocks, state, sending, logs) for method in part.METHODS
}
KEYLESS = frozenset({"eth_sendTransaction", "eth_sign", "eth_signTransaction", "eth_signTypedData_v4"})
"""Methods of servers that hold keys; this one says why it does not answer them."""
