"""Why a contract refused, as its revert data tells it."""

from __future__ import annotations

from careledger.formats.abi import decode

_ERROR = bytes.fromhex("08c379a0")  # Error(string)
_PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)


def revert_reason(output: bytes) -> str:
    """The reason given, or what the bytes are if they are not a reason."""
    try:
        if output[:4] == _ERROR:
            return str(decode(["string"], output[4:])[0])
        if output[:4] == _PANIC:
            return f"panic {decode(['uint256'], output[4:])[0]}"
    except Exception:  # eth_abi raises classes of its own, and a contract answers what it likes
        return f"0x{output.hex()}"
    return f"0x{output.hex()}" if output else "no reason given"
