"""``careledger up`` and ``worker`` serve the directory's custodian to other members beside everything else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from careledger.adapters.members.link import MemberLink, Patience
from careledger.app.keyring import Keyring
from careledger.app.members import files
from careledger.app.vault import InsecurePlainGuard
from careledger.domain.errors import MemberRefused, StoreUnavailable
from careledger.formats.custody import CustodianKeys
from careledger.formats.members import MemberCertificate
from careledger.formats.signed import Signed
from gateway.test_page import PROGRAM
from stories.cli_world import ENVIRONMENT, told

NAMES = [f"{name} Hospital" for name in ("City", "Lakeside", "Delta", "Green")]


class Handed:
    """The roll of somebody who was handed the custodian's certificate, and has no ledger to ask."""

    def __init__(self, own: tuple[bytes, bytes], its: MemberCertificate) -> None:
        self._own, self._its = own, its

    def own(self) -> tuple[bytes, bytes]:
        return self._own

    def known(self) -> Sequence[MemberCertificate]:
        return [self._its]

    def member(self, certificate: bytes) -> int:
        if certificate != self._its.certificate:
            raise MemberRefused()
        return self._its.member


@contextmanager
def served(command: str, folder: Path) -> Iterator[Any]:
    """The command in a process of its own, which is told to stop and ends well; gives what it says."""
    words = [sys.executable, "-c", PROGRAM, command, "--data", str(folder), "--json"]
    said = {"CARELEDGER_MEMBERS_LISTEN": "127.0.0.1:0", "CARELEDGER_LISTEN_PORT": "0"}
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENT | said)
    assert running.stdout is not None
    try:
        printed = ""
        while not printed.endswith("}\n") and (line := running.stdout.readline()):
            printed += line
        yield json.loads(printed) if printed else None
        running.send_signal(signal.SIGTERM)
        assert running.wait(120) == (0 if printed else 1)
    finally:
        running.kill()
        running.communicate(timeout=60)


def given(folder: Path, name: str, *options: object) -> tuple[Path, MemberCertificate]:
    """A certificate that the organisation hands out."""
    file = folder.parent / f"{name}.member"
    told("member", "certificate", name, file, *options, "--data", folder)
    return file, MemberCertificate.decode(Signed.decode(file.read_bytes()).body)


def pair(folder: Path, name: str) -> tuple[bytes, bytes]:
    """The organisation's certificate and its private key."""
    keyring = Keyring(folder, InsecurePlainGuard())
    (own,) = files.own(keyring.organisation(name))
    keyring.close()
    return MemberCertificate.decode(own.signed.body).certificate, own.key


def test_a_gateway_and_a_worker_serve_the_directorys_custodian_to_members_and_to_nobody_else(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    members = [word for name in NAMES for word in ("--member", f"{name}=hospital")]
    told("init", *members, "--insecure-plain-keys", "--data", folder)
    with served("up", folder) as said:
        assert said is None  # no custodian has a certificate
    _, its = given(folder, "City Hospital", "--address", "custodian.city.example:8444")
    known, _ = given(folder, "Lakeside Hospital")
    given(folder, "Delta Hospital")
    told("member", "know", known, "--data", folder)
    member, stranger = (pair(folder, name) for name in ("Lakeside Hospital", "Delta Hospital"))
    for command in ("up", "worker"):
        with served(command, folder) as said:
            its = MemberCertificate(its.member, its.certificate, said["members"], its.since, its.until)
            link = MemberLink(its.member, Handed(member, its), Patience(connect=30, answer=60))
            assert CustodianKeys.decode(link.call("keys", b"")).custodian == its.member
            with pytest.raises(StoreUnavailable):
                MemberLink(its.member, Handed(stranger, its), Patience(30, 60)).call("keys", b"")
            if command == "up":
                assert urllib3.request("GET", said["metadata"], timeout=60).status == 200
            assert link.call("checkpoint", b"") is not None
            link.close()
    given(folder, "Green Hospital", "--address", "custodian.green.example:8444")
    with served("up", folder) as said:
        assert said is None  # two could be meant
