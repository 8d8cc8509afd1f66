"""Key files are made once, read by their owner alone, and never printed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from careledger.app.keyring import Keyring
from careledger.app.vault import InsecurePlainGuard
from careledger.domain.errors import PartyNotFound, PatientNotFound, StoreCorrupt
from careledger.domain.parties import Role
from careledger.sealing.phrase import Phrase

ALIAS = b"\7" * 32


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[Keyring]:
    made = Keyring(tmp_path, InsecurePlainGuard())
    yield made
    made.close()


def test_an_organisation_is_the_same_when_it_is_opened_again(keyring: Keyring, tmp_path: Path) -> None:
    made = keyring.new_organisation("City", Role.HOSPITAL)
    made.books.put("kind", [(b"key", b"value")])
    keyring.close()
    again = Keyring(tmp_path, InsecurePlainGuard()).organisation("City")
    assert (again.number, again.role) == (made.number, Role.HOSPITAL)
    assert again.controller.address == made.controller.address
    assert (again.sealing.public, again.chart.public) == (made.sealing.public, made.chart.public)
    assert again.tag == made.tag
    assert again.books.get("kind", b"key") == b"value"


def test_who_looks_while_an_organisation_comes_sees_it_whole_or_not_at_all(tmp_path: Path) -> None:
    coming, looking = (Keyring(tmp_path, InsecurePlainGuard()) for _ in range(2))
    coming.new_organisation("First", Role.HOSPITAL)
    names = [f"City {number}" for number in range(60)]
    with closing(coming), closing(looking), ThreadPoolExecutor(1) as other:
        made = other.submit(lambda: [coming.new_organisation(name, Role.HOSPITAL) for name in names])
        while not made.done():
            assert "First" in looking.organisations()
            assert "First" in coming.organisations()
        assert len(made.result()) == len(names)
        assert set(looking.organisations()) == {"First", *names}


def test_a_key_file_is_never_replaced_and_what_a_crash_left_of_one_is_nobodys(
    keyring: Keyring, tmp_path: Path
) -> None:
    first = keyring.new_organisation("City", Role.HOSPITAL, number=7)
    left = tmp_path / "organisations" / ".0000000000000007-00000000"
    left.mkdir()
    (left / "keys.next").write_bytes(b"half")
    with pytest.raises(StoreCorrupt, match="there already"):
        keyring.new_organisation("Lake", Role.HOSPITAL, number=7)
    assert {name: each.number for name, each in keyring.organisations().items()} == {"City": first.number}
    assert sorted((tmp_path / "organisations").iterdir()) == [left, left.with_name("0000000000000007")]


def test_each_organisation_has_keys_of_its_own_and_the_ministry_stands_apart(keyring: Keyring) -> None:
    city, lake = (keyring.new_organisation(label, Role.HOSPITAL) for label in ("City", "Lake"))
    with pytest.raises(PartyNotFound):
        keyring.ministry()
    ministry = keyring.new_organisation("Ministry", Role.MINISTRY, kind="ministry")
    keys = {each.controller.address for each in (city, lake, ministry)}
    seals = {key.public for each in (city, lake, ministry) for key in (each.sealing, each.chart)}
    assert (len(keys), len(seals)) == (3, 6)
    assert set(keyring.organisations()) == {"City", "Lake"}
    assert keyring.ministry().number == ministry.number
    assert keyring.labels() == {city.number: "City", lake.number: "Lake", ministry.number: "Ministry"}


def test_staff_are_found_by_their_label_at_their_employer(keyring: Keyring) -> None:
    city, lake = (keyring.new_organisation(label, Role.HOSPITAL) for label in ("City", "Lake"))
    keyring.new_organisation("Ministry", Role.MINISTRY, kind="ministry")
    made = keyring.new_staff(lake, "Dr Sen", {Role.DOCTOR, Role.NURSE})
    found, roles = keyring.staff("Dr Sen")
    assert (found.number, found.organisation.number) == (made.number, lake.number)
    assert found.key.address == made.key.address
    assert roles == {Role.DOCTOR, Role.NURSE}
    assert (keyring.all_staff(city), set(keyring.all_staff(lake))) == ({}, {"Dr Sen"})
    for unknown in ("Dr Nobody", "City"):
        with pytest.raises(PartyNotFound):
            keyring.staff(unknown)


def test_a_patients_phrase_and_books_come_back_by_name_or_alias(keyring: Keyring, tmp_path: Path) -> None:
    phrase = Phrase.random()
    keyring.new_patient("Amina", ALIAS, phrase).put("kind", [(b"key", b"value")])
    assert keyring.patients() == ["Amina"]
    for name in ("Amina", ALIAS.hex()[:16]):
        alias, found, books = keyring.patient(name)
        assert (alias, found.words()) == (ALIAS, phrase.words())
        assert books.get("kind", b"key") == b"value"
    with pytest.raises(PatientNotFound) as refused:
        keyring.patient("Rahima")
    assert "Rahima" not in str(refused.value)


def test_an_empty_folder_has_nobody(keyring: Keyring) -> None:
    assert (keyring.organisations(), keyring.patients(), keyring.labels()) == ({}, [], {})
    with pytest.raises(PartyNotFound):
        keyring.organisation("City")


def key_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("keys"))


def test_key_files_are_their_owners_alone_and_one_that_others_may_read_is_refused(
    keyring: Keyring, tmp_path: Path
) -> None:
    keyring.new_organisation("City", Role.HOSPITAL)
    keyring.new_patient("Amina", ALIAS, Phrase.random())
    files = key_files(tmp_path)
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600, 0o600]
    for path in files:
        for mode in (0o640, 0o604, 0o620):
            os.chmod(path, mode)
            with pytest.raises(StoreCorrupt, match="others may read"):
                (keyring.organisations, keyring.patients)["patients" in str(path)]()
        os.chmod(path, 0o600)
    assert (set(keyring.organisations()), keyring.patients()) == ({"City"}, ["Amina"])


def test_keys_are_never_replaced(keyring: Keyring, tmp_path: Path) -> None:
    first = Phrase.random()
    keyring.new_patient("Amina", ALIAS, first)
    with pytest.raises(StoreCorrupt, match="already"):
        keyring.new_patient("Amina", ALIAS, Phrase.random())
    assert keyring.patient("Amina")[1].words() == first.words()
    made = keyring.new_organisation("City", Role.HOSPITAL)
    with pytest.raises(StoreCorrupt, match="already"):
        keyring.new_organisation("City", Role.HOSPITAL, made.number)


def test_a_damaged_or_missing_key_file_is_refused(keyring: Keyring, tmp_path: Path) -> None:
    keyring.new_patient("Amina", ALIAS, Phrase.random())
    [path] = key_files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(Exception, match="format") as refused:
        keyring.patients()
    assert type(refused.value).__name__ == "MalformedBytes"
    path.unlink()
    with pytest.raises(StoreCorrupt, match="missing"):
        keyring.patients()


def test_posts_are_found_where_no_ministrys_keys_lie(keyring: Keyring) -> None:
    city = keyring.new_organisation("City", Role.HOSPITAL)
    post = keyring.new_staff(city, "Dr Roy", {Role.DOCTOR})
    assert keyring.staff("Dr Roy")[0].number == post.number
    with pytest.raises(PartyNotFound, match="nobody"):
        keyring.staff("nobody")
