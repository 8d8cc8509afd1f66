"""Files of other members, put there by several processes at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from careledger.app import founding
from careledger.app.members import files
from careledger.formats.members import MemberCertificate
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.proofs.certificates import new_certificate

NOW, HOUR = 1_800_000_000, 3_600


def given(member: int, until: int) -> bytes:
    certificate, _ = new_certificate(1, member, NOW - HOUR, until)
    said = MemberCertificate(member, certificate, "", NOW - HOUR, until)
    return sign(said, SigningKey.random(), bytes(32)).encode()


def test_several_who_keep_the_same_file_at_once_do_not_disturb_one_another(tmp_path: Path) -> None:
    over = [given(number, NOW) for number in range(1, 30)]
    for each in over:
        files.keep(tmp_path, each, NOW - 1)
    data = given(99, NOW + HOUR)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: files.keep(tmp_path, data, NOW), range(64)))
    assert {each.member for each in made} == {99}
    assert [each.encode() for each in files.kept(tmp_path)] == [data]


def test_a_directory_that_was_founded_is_durable_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, whole, synced = tmp_path / ".begun", tmp_path / "whole", list[tuple[int, bool]]()
    begun.mkdir()

    def noted(sync: object, handle: int) -> None:
        synced.append((os.fstat(handle).st_ino, whole.exists()))

    monkeypatch.setattr(os, "fsync", partial(noted, os.fsync))
    founding._come(begun, whole)
    assert synced == [(tmp_path.stat().st_ino, True)]
