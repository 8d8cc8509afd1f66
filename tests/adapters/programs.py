"""Random EVM programs that mostly run: instructions with their operands pushed before them."""

from __future__ import annotations

import random

# opcode, how many operands it takes from the stack
_PLAIN = [
    (0x01, 2), (0x02, 2), (0x03, 2), (0x04, 2), (0x05, 2), (0x06, 2), (0x07, 2), (0x08, 3), (0x09, 3),
    (0x0A, 2), (0x0B, 2), (0x10, 2), (0x11, 2), (0x12, 2), (0x13, 2), (0x14, 2), (0x15, 1), (0x16, 2),
    (0x17, 2), (0x18, 2), (0x19, 1), (0x1A, 2), (0x1B, 2), (0x1C, 2), (0x1D, 2), (0x20, 2), (0x30, 0),
    (0x31, 1), (0x32, 0), (0x33, 0), (0x34, 0), (0x35, 1), (0x36, 0), (0x38, 0), (0x3A, 0), (0x3B, 1),
    (0x3D, 0), (0x3F, 1), (0x40, 1), (0x41, 0), (0x42, 0), (0x43, 0), (0x44, 0), (0x45, 0), (0x46, 0),
    (0x47, 0), (0x48, 0), (0x54, 1), (0x58, 0), (0x59, 0), (0x5A, 0), (0x80, 1), (0x90, 2),
]  # fmt: skip
_EFFECTS = [(0x52, 2), (0x53, 2), (0x55, 2), (0x37, 3), (0x39, 3), (0x3C, 4), (0xA0, 2), (0xA1, 3), (0xA2, 4)]
_CALLS = [(0xF1, 7), (0xF2, 7), (0xF4, 6), (0xFA, 6)]
_CREATES = [(0xF0, 3), (0xF5, 4)]
_ENDS = [(0x00, 0)] * 4 + [(0xF3, 2)] * 4 + [(0xFD, 2), (0xFD, 2), (0xFE, 0), (0xFF, 1), (0x5F, 0)]
SIZES = (0, 1, 3, 31, 32, 33, 64, 255)


def push(value: int) -> bytes:
    """The shortest PUSH of a number."""
    written = value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
    return bytes([0x5F + len(written)]) + written


def _operand(chance: random.Random, addresses: list[bytes]) -> bytes:
    kind = chance.random()
    if kind < 0.55:
        return push(chance.choice(SIZES))
    if kind < 0.75:
        return push(int.from_bytes(chance.choice(addresses), "big"))
    if kind < 0.85:
        return push(chance.getrandbits(chance.choice((8, 64, 256))))
    if kind < 0.95:
        return push(chance.choice((0, 32))) + b"\x35"
    return push(chance.choice(SIZES)) + b"\x54"


def _effect(chance: random.Random, addresses: list[bytes], opcode: int, operands: int) -> bytes:
    """Operands so that memory stays small, bar one in fifty; the first pushed is the last taken."""
    if opcode in (0x20, 0x37, 0x39, 0x3C, 0x52, 0x53, 0xA0, 0xA1, 0xA2) and chance.random() < 0.98:
        small = [push(chance.choice(SIZES)) for _ in range(operands)]
        if opcode in (0x52, 0x53):
            small[0] = _operand(chance, addresses)
        if opcode == 0x3C:
            small[-1] = push(int.from_bytes(chance.choice(addresses), "big"))
        return b"".join(small)
    return b"".join(_operand(chance, addresses) for _ in range(operands))


def _call(chance: random.Random, addresses: list[bytes], opcode: int, operands: int) -> bytes:
    """Value 0; memory areas small; a callee of ours or a precompile; gas sometimes too little."""
    callee = chance.choice([*addresses, *(bytes(19) + bytes([n]) for n in range(1, 10))])
    areas = b"".join(push(chance.choice(SIZES)) for _ in range(4))
    value = push(0) if operands == 7 else b""
    gas = b"\x5a" if chance.random() < 0.5 else push(chance.choice((0, 700, 5_000, 40_000)))
    return areas + value + push(int.from_bytes(callee, "big")) + gas + bytes([opcode])


def _create(chance: random.Random, opcode: int) -> bytes:
    """Put a small creation code in memory and create from it; sometimes one that fails."""
    code = chance.choice(
        ("600160005560206000f3", "60206000fd", "fe", "60ef60005360016000f3", "33ff", "6001600055")
    )
    stored = bytes.fromhex(code).ljust(32, b"\x00")
    salt = push(chance.randrange(2)) if opcode == 0xF5 else b""
    return b"\x7f" + stored + push(0) + b"\x52" + salt + push(len(code) // 2) + push(0) * 2 + bytes([opcode])


def program(chance: random.Random, addresses: list[bytes]) -> bytes:
    """One program of up to 25 instructions; most reach their end."""
    out = b""
    for _ in range(chance.randrange(1, 25)):
        kind = chance.random()
        if kind < 0.5:
            opcode, operands = chance.choice(_PLAIN)
        elif kind < 0.83:
            opcode, operands = chance.choice(_EFFECTS)
        elif kind < 0.92:
            out += _call(chance, addresses, *chance.choice(_CALLS))
            continue
        elif kind < 0.97:
            out += _create(chance, chance.choice(_CREATES)[0])
            continue
        else:
            out += bytes([chance.randrange(256)]) if chance.random() < 0.2 else b""
            continue
        out += _effect(chance, addresses, opcode, operands) + bytes([opcode])
    opcode, operands = chance.choice(_ENDS)
    return out + b"".join(push(chance.choice(SIZES)) for _ in range(operands)) + bytes([opcode])
