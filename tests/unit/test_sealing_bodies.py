"""Bodies: equal on the way back, refused when cut, reordered, extended, altered or under another key."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest

from careledger.domain.errors import CannotOpen, MalformedBytes
from careledger.sealing.bodies import (
    CHUNK,
    RUN,
    START,
    TAG,
    BodyReader,
    _Chunks,
    decrypt,
    decrypt_range,
    decrypt_stream,
    encrypt,
    encrypt_stream,
    sealed_length,
)
from careledger.sealing.keys import Secret

KEY = Secret(bytes(range(32)))
CONTEXT = b"context"
TOGETHER = RUN * CHUNK
LENGTHS = [0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5]
LENGTHS += [TOGETHER - 1, TOGETHER, TOGETHER + 1, 2 * TOGETHER]
WHOLE = CHUNK + TAG


def content(length: int) -> bytes:
    return bytes((i * 7 + i // 251) % 256 for i in range(length))


@pytest.mark.parametrize("length", LENGTHS)
def test_a_body_comes_back_in_memory_and_as_a_stream(length: int) -> None:
    plaintext = content(length)
    body = encrypt(KEY, plaintext, CONTEXT)
    assert len(body) == sealed_length(length)
    assert decrypt(KEY, body, CONTEXT) == plaintext
    opened = io.BytesIO()
    assert decrypt_stream(KEY, io.BytesIO(body), opened, CONTEXT) == length
    assert opened.getvalue() == plaintext


@pytest.mark.parametrize("length", LENGTHS)
def test_stream_and_memory_make_the_same_body(length: int) -> None:
    sealed = io.BytesIO()
    assert encrypt_stream(KEY, io.BytesIO(content(length)), sealed, CONTEXT, salt=bytes(24)) == length
    assert sealed.getvalue() == encrypt(KEY, content(length), CONTEXT, salt=bytes(24))


def test_the_same_plaintext_never_makes_the_same_body() -> None:
    assert encrypt(KEY, b"same") != encrypt(KEY, b"same")


def reader(body: bytes, context: bytes = CONTEXT, key: Secret = KEY, together: int = 1 << 20) -> BodyReader:
    """A reader of a body that lies in pieces of ``together`` bytes."""
    view = memoryview(body)

    def sealed(at: int, end: int) -> memoryview:
        return view[at : min(end, (at // together + 1) * together)]

    return BodyReader(key, len(body), sealed, context)


def refuses(body: bytes, key: Secret = KEY, context: bytes = CONTEXT) -> None:
    with pytest.raises(CannotOpen):
        decrypt(key, body, context)
    with pytest.raises(CannotOpen):
        decrypt_stream(key, io.BytesIO(body), io.BytesIO(), context)


def test_another_key_or_context_is_refused_before_any_chunk() -> None:
    body = encrypt(KEY, content(40_000), CONTEXT)
    for key, context in ((Secret(bytes(32)), CONTEXT), (KEY, b"other"), (KEY, b"")):
        refuses(body, key, context)
        with pytest.raises(CannotOpen, match="other key"):
            reader(body, context, key)


def test_a_body_made_to_open_under_two_keys_is_refused_by_the_commitment() -> None:
    """AES-GCM alone does not commit: the commitment of one key refuses every other."""
    body = bytearray(encrypt(KEY, b"one", CONTEXT))
    other = encrypt(Secret(bytes(32)), b"two", CONTEXT, salt=bytes(body[:24]))
    body[START:] = other[START:]
    refuses(bytes(body), Secret(bytes(32)))
    refuses(bytes(body))


@pytest.mark.parametrize("cut", [0, 10, START - 1, START, START + 3, START + WHOLE, START + 2 * WHOLE, -1])
def test_a_cut_body_is_refused(cut: int) -> None:
    body = encrypt(KEY, content(3 * CHUNK), CONTEXT)
    refuses(body[:cut])
    with pytest.raises(CannotOpen):
        reader(body[:cut])


def test_runs_of_chunks_that_are_cut_exchanged_or_repeated_are_refused_and_name_the_chunk() -> None:
    body, run = encrypt(KEY, content(2 * TOGETHER), CONTEXT), RUN * WHOLE
    first, second = body[START : START + run], body[START + run : START + 2 * run]
    rest = body[START + 2 * run :]
    for wrong, chunk in (
        (first, RUN),
        (first + second, 2 * RUN),
        (first + first + rest, RUN),
        (second + first + rest, 0),
        (first + second + rest[:-1], 2 * RUN),
        (first + second[:-1] + b"\xff" + rest, 2 * RUN - 1),
    ):
        with pytest.raises(CannotOpen) as refused:
            decrypt(KEY, body[:START] + wrong, CONTEXT)
        assert refused.value.details == {"chunk": chunk}


def test_a_body_cut_inside_its_last_chunk_has_no_length() -> None:
    body = encrypt(KEY, content(3 * CHUNK + 9), CONTEXT)
    assert reader(body).length == 3 * CHUNK + 9
    for cut in (body[:-4], body[: -9 - TAG], body + b"\0"):
        with pytest.raises(CannotOpen):
            reader(cut)


def test_a_body_has_no_more_chunks_than_its_nonces_allow() -> None:
    chunks = _Chunks(bytes(32), bytes(12))
    assert chunks.nonce(2**38 - 1) == (2**38 - 1).to_bytes(12, "big")
    with pytest.raises(MalformedBytes):
        chunks.nonce(2**38)


def test_reordered_repeated_and_extended_chunks_are_refused() -> None:
    body = encrypt(KEY, content(3 * CHUNK + 9), CONTEXT)
    first, second = body[START : START + WHOLE], body[START + WHOLE : START + 2 * WHOLE]
    rest = body[START + 2 * WHOLE :]
    refuses(body[:START] + second + first + rest)
    refuses(body[:START] + first + first + rest)
    refuses(body[:START] + second + rest)
    refuses(body + b"\0")
    refuses(body + body[-25:])
    refuses(body[: START + WHOLE] + body[-25:])


def test_every_changed_byte_is_refused() -> None:
    body = encrypt(KEY, b"a short body", CONTEXT)
    for at in range(len(body)):
        changed = bytearray(body)
        changed[at] ^= 1
        refuses(bytes(changed))


def test_chunks_of_another_body_under_the_same_key_are_refused() -> None:
    one, two = encrypt(KEY, content(CHUNK), CONTEXT), encrypt(KEY, content(CHUNK), CONTEXT)
    refuses(one[:START] + two[START:])


@pytest.mark.parametrize("length", [0, 5, CHUNK, 3 * CHUNK + 5, TOGETHER, TOGETHER + 5])
def test_ranges_give_what_slices_give(length: int) -> None:
    plaintext, body = content(length), encrypt(KEY, content(length), CONTEXT)
    edges = sorted({0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, length} & set(range(length + 1)))
    read = reader(body)
    assert read.length == length
    for start in edges:
        for stop in edges:
            if start <= stop:
                assert read.read(start, stop) == plaintext[start:stop]
                assert decrypt_range(KEY, body, start, stop, CONTEXT) == plaintext[start:stop]


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 101), (101, 101)])
def test_a_range_outside_the_body_is_refused(start: int, stop: int) -> None:
    with pytest.raises(MalformedBytes):
        decrypt_range(KEY, encrypt(KEY, content(100)), start, stop)


def test_a_range_reads_only_its_chunks_and_still_finds_damage_there() -> None:
    body = bytearray(encrypt(KEY, content(5 * CHUNK), CONTEXT))
    body[START + 3 * WHOLE] ^= 1
    read = reader(bytes(body))
    assert read.read(0, 3 * CHUNK) == content(5 * CHUNK)[: 3 * CHUNK]
    with pytest.raises(CannotOpen):
        read.read(3 * CHUNK, 3 * CHUNK + 1)


class Drip(io.BytesIO):
    """A source that gives at most 1,000 bytes a call, as sockets and raw files may."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        return super().read(min(size, 1000))


def test_a_source_that_gives_little_per_call_makes_the_same_body() -> None:
    body, opened = io.BytesIO(), io.BytesIO()
    encrypt_stream(KEY, Drip(content(40_000)), body, CONTEXT, salt=bytes(24))
    assert body.getvalue() == encrypt(KEY, content(40_000), CONTEXT, salt=bytes(24))
    decrypt_stream(KEY, Drip(body.getvalue()), opened, CONTEXT)
    assert opened.getvalue() == content(40_000)


def test_streams_of_any_length_need_little_memory(tmp_path: Path) -> None:
    plain, sealed, opened = tmp_path / "plain", tmp_path / "sealed", tmp_path / "opened"
    plain.write_bytes(bytes(16 << 20))
    tracemalloc.start()
    with plain.open("rb") as source, sealed.open("wb") as target:
        encrypt_stream(KEY, source, target)
    with sealed.open("rb") as source, opened.open("wb") as target:
        decrypt_stream(KEY, source, target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert opened.stat().st_size == 16 << 20
    assert peak < 1 << 20


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(MalformedBytes):
        encrypt(Secret(bytes(16)), b"")
    with pytest.raises(MalformedBytes):
        encrypt(KEY, b"", salt=bytes(23))
