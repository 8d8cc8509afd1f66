"""What an agent signed for the ledger, as JSON: EIP-712 typed data with its signatures, as wallets know it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from careledger.formats.consent_messages import LedgerMessage, contract_domain
from careledger.formats.signatures import Address


def signed_act(
    message: LedgerMessage, signatures: Sequence[bytes], chain_id: int, contract: Address
) -> dict[str, Any]:
    """The members ``domain``, ``primaryType`` and ``message`` of eth_signTypedData, and ``signatures``.

    Numbers are decimal text, bytes and addresses begin with 0x.
    """
    domain = contract_domain(message.CONTRACT, chain_id, contract)
    return {
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": chain_id,
            "verifyingContract": _hex(contract),
        },
        "primaryType": message.STRUCT.name,
        "message": {name: _written(value) for name, value in message.values().items()},
        "signatures": [_hex(each) for each in signatures],
    }


def _written(value: bytes | int) -> str:
    return _hex(value) if isinstance(value, bytes) else str(value)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
