"""The keys of a new network lie under a passphrase, which is given, wrong, missing, changed and never shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from careledger.cli import passphrases
from stories.cli_world import careledger, found_small, told
from stories.conftest import PASSPHRASE

OTHER = "battery staple correct horse"


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return found_small(tmp_path / "net")


def test_a_network_is_founded_under_a_passphrase_and_without_one_only_if_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CARELEDGER_PASSPHRASE")
    done = careledger("init", "--data", tmp_path / "net")
    assert (done.code, done.out, "CARELEDGER_PASSPHRASE_FILE" in done.err) == (2, "", True)
    assert not list(tmp_path.iterdir())
    done = careledger("init", "--insecure-plain-keys", "--data", tmp_path / "net")
    assert (done.code, "INSECURE" in done.err) == (0, True)
    assert not (tmp_path / "net" / "vault").exists()
    assert careledger("party", "list", "--data", tmp_path / "net").code == 0
    monkeypatch.setenv("CARELEDGER_PASSPHRASE", "short")
    done = careledger("init", "--data", tmp_path / "other", width=200)
    assert (done.code, "at least 15 characters" in done.err) == (2, True)


def test_a_wrong_or_missing_passphrase_opens_nothing(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (("show",), ("party", "list"), ("verify",)):
        monkeypatch.setenv("CARELEDGER_PASSPHRASE", OTHER)
        done = careledger(*command, "--data", net)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert "This passphrase does not open the keys" in done.err
        assert OTHER not in done.err
        monkeypatch.delenv("CARELEDGER_PASSPHRASE")
        done = careledger(*command, "--data", net)
        assert (done.code, "none was given" in done.err) == (2, True)
        monkeypatch.setenv("CARELEDGER_PASSPHRASE", PASSPHRASE)
        assert careledger(*command, "--data", net).code == 0


def test_a_passphrase_is_changed_and_set_where_there_was_none(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new"
    new.write_text(OTHER + "\n")
    assert told("passphrase", "--new-file", new, "--data", net) == {"folder": str(net), "sealed_files": 0}
    assert careledger("show", "--data", net).code == 2
    monkeypatch.setenv("CARELEDGER_PASSPHRASE", OTHER)
    assert careledger("show", "--data", net).code == 0
    plain = tmp_path / "plain"
    assert careledger("init", "--insecure-plain-keys", "--data", plain).code == 0
    done = careledger("passphrase", "--new-file", new, "--data", plain)
    assert (done.code, "21 key files had not been sealed before" in done.out) == (0, True)
    assert careledger("verify", "--data", plain).code == 0
    monkeypatch.delenv("CARELEDGER_PASSPHRASE")
    assert careledger("show", "--data", plain).code == 2
    done = careledger("passphrase", "--data", plain)
    assert (done.code, done.out) == (2, "")


def test_on_a_terminal_it_is_typed_twice_if_new_and_once_if_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CARELEDGER_PASSPHRASE")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    typed: list[str] = []
    monkeypatch.setattr(passphrases, "getpass", lambda prompt: typed.pop(0))
    typed += ["typed by hand at night", "typed by hand at night"]
    assert passphrases.ask_new().reveal() == b"typed by hand at night"
    typed += ["typed by hand at night", "typed by hand in a hurry"]
    with pytest.raises(Exception, match="the two differ"):
        passphrases.ask_new()
    typed += ["typed by hand at night"]
    assert passphrases.ask().reveal() == b"typed by hand at night"
    assert typed == []
