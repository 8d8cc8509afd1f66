"""Settings are read once; a key that is unknown, missing or wrong stops the start and is named."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict, fields
from pathlib import Path

import pytest

from careledger.app.settings import FILE, Settings, load, save
from careledger.domain.custodians import Thresholds
from careledger.domain.errors import SettingsRefused

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
    with pytest.raises(SettingsRefused, match=f"key {key}, why missing"):
        load(written(tmp_path, **{key: None}))
    for wrong in (1.5, True, ["x"], 7 if key == "directory" else "7"):
        with pytest.raises(SettingsRefused, match=f"key {key}, why not of type"):
            load(written(tmp_path, **{key: wrong}))
    assert load(written(tmp_path)) == GOOD


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="key colour, why unknown"):
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
    with pytest.raises(SettingsRefused, match="key directory, why not 40"):
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
