"""A version's blocks: who can open which, and that nothing is opened with a key that was not committed to."""

from __future__ import annotations

import os

import pytest
import zstandard

from careledger.domain.errors import CannotOpen, KeyRefused, MalformedBytes
from careledger.formats.cids import raw_cid
from careledger.sealing import frames, versions
from careledger.sealing.bodies import sealed_length
from careledger.sealing.epochs import Epoch
from careledger.sealing.frames import compressed
from careledger.sealing.keys import SealingKey, Secret
from careledger.sealing.padme import padded_length
from careledger.sealing.shamir import combine, split
from careledger.sealing.states import Ciphertext, Plaintext, VerifiedCiphertext, verify
from careledger.sealing.versions import (
    CopyKey,
    body_key,
    body_key_commitment,
    check_body_key,
    manifest_key,
    new_batch_secret,
    new_custodial_secret,
    new_handle,
    open_body,
    open_header,
    open_manifest,
    record_secret,
    seal_body,
    seal_header,
    seal_manifest,
)

ALIAS = b"\7" * 32
EPOCH = Epoch(ALIAS, 6, 2)
CONTENT = Plaintext(b'{"resourceType":"Condition","code":{"text":"Diabetes"}}' * 40)


def checked(ciphertext: Ciphertext) -> VerifiedCiphertext:
    return verify(ciphertext, raw_cid(ciphertext.data))


def test_epoch_key_and_handle_open_the_manifest_and_with_shares_the_body() -> None:
    epoch_key, batch, handle, custodial = (
        SealingKey.random(),
        new_batch_secret(),
        new_handle(),
        new_custodial_secret(),
    )
    record = record_secret(batch, handle)
    key = body_key(record, custodial)
    header = seal_header(epoch_key.public, EPOCH, batch)
    manifest = seal_manifest(record, Plaintext(b"manifest" + body_key_commitment(key)))
    body = seal_body(key, compressed(CONTENT))
    shares = split(custodial, 2, 5)

    read_record = record_secret(open_header(epoch_key, EPOCH, checked(header)), handle)
    commitment = open_manifest(read_record, checked(manifest)).data[8:]
    read_key = body_key(read_record, combine(shares[3:], 2))
    assert open_body(read_key, commitment, checked(body)) == CONTENT


def test_a_header_opens_only_with_its_epoch_key_and_context() -> None:
    epoch_key, batch = SealingKey.random(), new_batch_secret()
    header = checked(seal_header(epoch_key.public, EPOCH, batch))
    assert open_header(epoch_key, EPOCH, header) == batch
    others = [Epoch(b"\x08" * 32, 6, 2), Epoch(ALIAS, 7, 2), Epoch(ALIAS, 6, 3)]
    for key, epoch in [(SealingKey.random(), EPOCH), *((epoch_key, other) for other in others)]:
        with pytest.raises(CannotOpen):
            open_header(key, epoch, header)


def test_all_headers_have_one_length_and_name_nobody() -> None:
    sizes = {len(seal_header(SealingKey.random().public, EPOCH, new_batch_secret()).data) for _ in range(3)}
    assert sizes == {1168}
    assert ALIAS not in seal_header(SealingKey.random().public, EPOCH, new_batch_secret()).data


def test_a_header_is_sealed_to_no_malformed_key() -> None:
    good = SealingKey.random().public
    low_order = good[:-32] + bytes(32)
    for public in (b"", good[:-1], low_order, b"\xff" * 1216):
        with pytest.raises(KeyRefused):
            seal_header(public, EPOCH, new_batch_secret())


def test_a_header_whose_encapsulation_has_a_low_order_point_or_is_cut_is_refused() -> None:
    key = SealingKey.random()
    header = seal_header(key.public, EPOCH, new_batch_secret()).data
    low_order = header[:1088] + bytes(32) + header[1120:]
    for data in (low_order, header[:1119], header[:1136], header[:-1], header + b"\0", b""):
        with pytest.raises(CannotOpen):
            open_header(key, EPOCH, checked(Ciphertext(data)))


def test_handle_batch_secret_and_both_halves_each_decide_the_keys() -> None:
    batch, handle, custodial = new_batch_secret(), new_handle(), new_custodial_secret()
    record = record_secret(batch, handle)
    keys = [
        record,
        record_secret(new_batch_secret(), handle),
        record_secret(batch, new_handle()),
        manifest_key(record),
        body_key(record, custodial),
        body_key(record, new_custodial_secret()),
        body_key(custodial, record),
    ]
    assert len({key.reveal() for key in keys}) == len(keys)
    for one, other in ((Secret(bytes(31)), custodial), (record, Secret(bytes(33)))):
        with pytest.raises(MalformedBytes):
            body_key(one, other)
    with pytest.raises(MalformedBytes):
        record_secret(batch, handle[:31])


def test_a_body_key_that_was_not_committed_to_is_refused_though_the_body_opens_with_it() -> None:
    committed, other = Secret.random(), Secret.random()
    commitment = body_key_commitment(committed)
    body = checked(seal_body(other, compressed(CONTENT)))
    check_body_key(committed, commitment)
    with pytest.raises(CannotOpen, match="committed"):
        open_body(other, commitment, body)
    assert open_body(other, body_key_commitment(other), body) == CONTENT
    with pytest.raises(CannotOpen):
        open_body(committed, commitment, body)


def test_a_manifest_is_not_opened_as_a_body_nor_a_body_as_a_manifest() -> None:
    record = Secret.random()
    key = manifest_key(record)
    with pytest.raises(CannotOpen):
        open_body(key, body_key_commitment(key), checked(seal_manifest(record, CONTENT)))
    with pytest.raises(CannotOpen):
        open_manifest(record, checked(seal_body(key, compressed(CONTENT))))


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 100_000])
def test_a_body_has_a_padded_length_and_comes_back(size: int) -> None:
    plaintext = Plaintext(os.urandom(size))
    key = Secret.random()
    body = seal_body(key, compressed(plaintext))
    assert open_body(key, body_key_commitment(key), checked(body)) == plaintext
    allowed = {sealed_length(padded_length(n)) for n in range(size, size + 400)}
    assert len(body.data) in allowed


def test_contents_of_nearly_one_length_make_blocks_of_one_length() -> None:
    key = Secret.random()
    noise = os.urandom(40_000)
    lengths = {len(seal_body(key, compressed(Plaintext(noise[:n]))).data) for n in range(39_000, 39_200)}
    assert len(lengths) <= 2


def test_equal_plaintexts_make_different_blocks() -> None:
    key = Secret.random()
    assert seal_body(key, compressed(CONTENT)) != seal_body(key, compressed(CONTENT))


def frame_of_size(size: int) -> bytes:
    """The header of a Zstandard frame that claims a content size, and one empty last block."""
    return b"\x28\xb5\x2f\xfd" + b"\xe0" + size.to_bytes(8, "little") + b"\x01\0\0"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"not a frame",
        frame_of_size(1 << 40),
        frame_of_size((1 << 64) - 3),
        zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 100),
        zstandard.compress(b"x" * 100) + b"extra",
        zstandard.compress(b"x" * 100) * 2,
        zstandard.compress(os.urandom(100))[:-3],
    ],
)
def test_a_body_that_would_unpack_to_too_much_or_is_no_frame_is_refused(frame: bytes) -> None:
    key = Secret.random()
    block = versions._seal_compressed(key, versions.BODY, frame)
    with pytest.raises(MalformedBytes):
        open_body(key, body_key_commitment(key), checked(block))


def test_a_body_over_the_ceiling_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_PLAINTEXT", 100)
    compressed(Plaintext(bytes(100)))
    with pytest.raises(MalformedBytes):
        compressed(Plaintext(bytes(101)))


def test_the_author_reads_back_with_the_chart_key_and_nobody_else_does() -> None:
    chart, stranger, handle, key = SealingKey.random(), SealingKey.random(), new_handle(), Secret.random()
    copy_key, sealed = CopyKey.new(chart.public, b"deposit")
    copy = copy_key.seal(3, handle, key)
    opened = CopyKey.opened(chart, b"deposit", sealed)
    assert opened.open(3, handle, copy) == key
    for reader, of in ((stranger, b"deposit"), (chart, b"another")):
        with pytest.raises(CannotOpen):
            CopyKey.opened(reader, of, sealed)
    for place, of in ((2, handle), (3, new_handle())):
        with pytest.raises(CannotOpen):
            opened.open(place, of, copy)


def test_blocks_of_a_batch_share_no_bytes_that_link_them() -> None:
    batch = new_batch_secret()
    record = record_secret(batch, new_handle())
    manifest, body = (
        seal_manifest(record, CONTENT),
        seal_body(body_key(record, new_custodial_secret()), compressed(CONTENT)),
    )
    windows = [{data[i : i + 8] for i in range(len(data) - 8)} for data in (manifest.data, body.data)]
    assert windows[0].isdisjoint(windows[1])
