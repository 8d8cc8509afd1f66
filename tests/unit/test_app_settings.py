"""Settings are read once; a key that is unknown, missing or wrong stops the start and is named."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict, fields, replace
from pathlib import Path

import pytest

from careledger.app.clocks import SystemClock
from careledger.app.ledgers import connect
from careledger.app.settings import FILE, SWITCHES, RemoteLedger, Settings, load, save
from careledger.domain.custodians import Thresholds
from careledger.domain.errors import NodeUnavailable, SettingsRefused

GOOD = Settings(20261, "ab" * 20)


def written(folder: Path, **changed: object) -> Path:
    """The folder with the good settings, some changed; None leaves a key out."""
    said = {key: value for key, value in (asdict(GOOD) | changed).items() if value is not None}
    (folder / FILE).write_text(json.dumps(said))
    return folder


def test_what_was_saved_is_loaded_and_stays_as_it_is(tmp_path: Path) -> None:
    save(tmp_path, GOOD)
    found = load(tmp_path)
    assert found == GOOD
    assert found.thresholds == Thresholds(2, 3, 5, 3)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    with pytest.raises(FrozenInstanceError):
        found.opening = 1  # type: ignore[misc]


@pytest.mark.parametrize("key", [field.name for field in fields(Settings)])
def test_a_key_that_is_missing_or_of_another_type_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsRefused, match=f"key {key}, missing"):
        load(written(tmp_path, **{key: None}))
    for wrong in (1.5, 7 if key in SWITCHES else True, ["x"], 7 if key == "directory" else "7"):
        with pytest.raises(SettingsRefused, match=f"key {key}, not of type"):
            load(written(tmp_path, **{key: wrong}))
    assert load(written(tmp_path)) == GOOD


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="key colour, unknown"):
        load(written(tmp_path, colour="blue"))


@pytest.mark.parametrize(
    "wrong", [{"opening": 4}, {"opening": 0}, {"holding": 6}, {"escrow": 2}, {"escrow": 6}, {"listed": 2}]
)
def test_thresholds_that_protect_nobody_stop_the_start(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsRefused, match="escrow"):
        load(written(tmp_path, **wrong))
    assert load(written(tmp_path, opening=3, holding=4, listed=6, escrow=5)).opening == 3


@pytest.mark.parametrize("directory", ["ab" * 19, "ab" * 21, "AB" * 20, "zz" * 20, ""])
def test_a_contract_directory_is_forty_hex_digits(tmp_path: Path, directory: str) -> None:
    with pytest.raises(SettingsRefused, match="key directory, not 40"):
        load(written(tmp_path, directory=directory))


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "null", "\xff"])
def test_a_file_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsRefused):
        load(tmp_path)


def test_a_folder_without_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match=FILE):
        load(tmp_path)
    with pytest.raises(SettingsRefused):
        load(tmp_path / "nowhere")


NODES = ("https://node.one:8545", "http://127.0.0.1:8546")
ELSEWHERE = replace(GOOD, ledger=RemoteLedger(NODES))


def test_a_ledger_elsewhere_is_saved_and_loaded(tmp_path: Path) -> None:
    save(tmp_path, ELSEWHERE)
    assert load(tmp_path) == ELSEWHERE
    assert load(written(tmp_path, ledger="embedded")) == GOOD


@pytest.mark.parametrize("key", [field.name for field in fields(RemoteLedger)])
def test_a_key_of_the_ledger_that_is_missing_or_of_another_type_is_named(tmp_path: Path, key: str) -> None:
    said = asdict(RemoteLedger(NODES))
    with pytest.raises(SettingsRefused, match=f"key {key}, missing"):
        load(written(tmp_path, ledger={name: value for name, value in said.items() if name != key}))
    wrongs: tuple[object, ...] = (1.5, True, [7], {})
    for wrong in wrongs:
        with pytest.raises(SettingsRefused, match=f"key {key}, not of type"):
            load(written(tmp_path, ledger=said | {key: wrong}))
    with pytest.raises(SettingsRefused, match="key colour, unknown"):
        load(written(tmp_path, ledger=said | {"colour": "blue"}))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"nodes": []}, "agreeing"),
        ({"nodes": [NODES[0], NODES[0]]}, "twice"),
        ({"nodes": ["ftp://node", NODES[0]]}, "not an http or https address"),
        ({"nodes": ["https://me:pass@node", NODES[0]]}, "a password in the address"),
        ({"agreeing": 3}, "number of nodes"),
        ({"agreeing": 0}, "number of nodes"),
        ({"oldest": 0}, "less than 1"),
        ({"since": -1}, "less than 0"),
        ({"unconfirmed": 0}, "less than 1"),
    ],
)
def test_a_ledger_elsewhere_that_protects_nobody_stops_the_start(
    tmp_path: Path, wrong: dict[str, object], why: str
) -> None:
    with pytest.raises(SettingsRefused, match=why):
        load(written(tmp_path, ledger=asdict(RemoteLedger(NODES)) | wrong))


def test_a_secret_is_read_from_a_private_file_and_sent_over_tls_only(tmp_path: Path) -> None:
    secret = tmp_path / "header"
    secret.write_text("Bearer of-good-tidings\n")
    secret.chmod(0o640)
    private = RemoteLedger(NODES[1:], agreeing=1, authorization=str(secret))
    for ledger, why in (
        (private, "others may read"),
        (replace(private, nodes=("http://node.one",)), "without TLS"),
        (replace(private, authorization="header"), "not the absolute path"),
        (replace(private, authorization=str(tmp_path / "none")), "not the absolute path"),
        (replace(private, authorization="", authorities="ca.pem"), "not the absolute path"),
    ):
        with pytest.raises(SettingsRefused, match=why):
            connect(tmp_path / "ledger", 1, ledger, SystemClock())
    secret.chmod(0o600)
    secret.write_text("tidings")
    with pytest.raises(SettingsRefused, match="no Basic or Bearer"):
        connect(tmp_path / "ledger", 1, private, SystemClock())
    secret.write_text("Bearer of-good-tidings\n")
    with pytest.raises(NodeUnavailable) as caught:  # nobody listens at that port
        connect(tmp_path / "ledger", 1, replace(private, nodes=("http://127.0.0.1:1",)), SystemClock())
    assert "tidings" not in str(caught.value)
