"""Key files lie under a passphrase: none is in the clear, and a wrong passphrase or a moved file opens nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from careledger.adapters.custody.directory import CustodyDirectory
from careledger.app import vault
from careledger.app.clocks import SystemClock
from careledger.app.founding import Member, Plan, found_network
from careledger.app.keyring import Keyring
from careledger.app.passphrases import from_environment
from careledger.app.vault import InsecurePlainGuard, open_guard, set_passphrase
from careledger.app.world import World, found, open_world
from careledger.domain.errors import (
    CareLedgerError,
    DirectoryInUse,
    PassphraseMissing,
    PassphraseRefused,
    StoreCorrupt,
)
from careledger.domain.parties import Role
from careledger.sealing import vault as sealing
from careledger.sealing.keys import Secret
from careledger.sealing.phrase import Phrase
from careledger.sealing.vault import Cost, passphrase_of

FIRST, SECOND = passphrase_of("the first of all passphrases"), passphrase_of("the second of all passphrases")


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing costs little here, so that the tests take no minutes."""
    monkeypatch.setattr(sealing, "COST", Cost(64, 1, 1))
    monkeypatch.delenv("CARELEDGER_PASSPHRASE", raising=False)
    monkeypatch.delenv("CARELEDGER_PASSPHRASE_FILE", raising=False)


def founded(folder: Path, passphrase: Secret | None) -> tuple[Path, Phrase]:
    """A network with an organisation that is a custodian, and a patient's phrase."""
    members = (
        Member("City", (Role.HOSPITAL,)),
        Member("Lake", (Role.HOSPITAL,)),
        Member("Hill", (Role.CENTRE,)),
    )
    found_network(folder, Plan(("Officer A", "Officer B"), members, passphrase=passphrase), SystemClock())
    world = opened(folder, passphrase)
    phrase = Phrase.random()
    world.keyring.new_patient("Rahima", bytes(range(32)), phrase)
    world.close()
    return folder, phrase


def opened(folder: Path, passphrase: Secret | None) -> World:
    """Opened with that passphrase; None: nobody can be asked."""
    return open_world(folder, passphrase=from_environment if passphrase is None else lambda: passphrase)


def whole(folder: Path, passphrase: Secret | None) -> bool:
    """Whether everything opens: organisations, posts, the patient and custodians."""
    world = opened(folder, passphrase)
    try:
        _, phrase, _ = world.keyring.patient("Rahima")
        return (
            set(world.keyring.organisations()) == {"City", "Lake", "Hill"}
            and len(world.keyring.all_staff(world.keyring.ministry())) == 2
            and len(world.custodians) == 3
            and len(phrase.words().split()) == 24
        )
    finally:
        world.close()


def every_byte(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_with_a_passphrase_no_key_lies_in_the_clear_and_without_one_all_do(tmp_path: Path) -> None:
    sealed, phrase = founded(tmp_path / "sealed", FIRST)
    plain, other = founded(tmp_path / "plain", None)
    assert whole(sealed, FIRST)
    assert whole(plain, None)
    assert any(other.entropy.reveal() in data for data in every_byte(plain))
    assert not any(phrase.entropy.reveal() in data for data in every_byte(sealed))
    world = opened(sealed, FIRST)
    city = world.keyring.organisation("City")
    seeds = world.directories[city.number].seeds
    secrets = (city.controller.secret, city.tag.reveal(), seeds.signing, seeds.log, seeds.sealing)
    world.close()
    assert not any(secret in data for data in every_byte(sealed) for secret in secrets)
    assert b"City" in b"".join(path.read_bytes() for path in plain.glob("organisations/*/keys"))
    assert b"City" not in b"".join(path.read_bytes() for path in sealed.glob("organisations/*/keys"))


def test_a_wrong_passphrase_is_one_error_and_none_another_and_both_say_nothing_more(tmp_path: Path) -> None:
    folder, _ = founded(tmp_path / "net", FIRST)
    with pytest.raises(PassphraseRefused) as refused:
        opened(folder, SECOND)
    assert (str(refused.value), refused.value.details) == (PassphraseRefused.__doc__, {})
    with pytest.raises(PassphraseMissing):
        opened(folder, None)
    assert whole(folder, FIRST)  # and the directory was let go


def test_the_passphrase_is_never_printed_or_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    folder, _ = founded(tmp_path / "net", FIRST)
    world = opened(folder, FIRST)
    said = FIRST.reveal().decode()
    assert said not in "".join(
        repr(each) for each in (FIRST, world, world.guard, Plan((), (), passphrase=FIRST))
    )
    world.close()
    with pytest.raises(PassphraseRefused) as refused:
        opened(folder, SECOND)
    assert SECOND.reveal().decode() not in repr(refused.value)
    printed = capfd.readouterr()
    assert said not in caplog.text + printed.out + printed.err


def test_a_plain_directory_is_sealed_and_a_passphrase_changed_at_the_price_of_one_file(
    tmp_path: Path,
) -> None:
    folder, _ = founded(tmp_path / "net", None)
    sealed = set_passphrase(folder, from_environment, FIRST)
    assert sealed == len(list(vault._key_files(folder))) == 4 + 1 + 3 * 3
    assert whole(folder, FIRST)
    before = {path: path.read_bytes() for path in vault._key_files(folder)}
    assert set_passphrase(folder, lambda: FIRST, SECOND) == 0
    assert before == {path: path.read_bytes() for path in vault._key_files(folder)}
    assert whole(folder, SECOND)
    with pytest.raises(PassphraseRefused):
        opened(folder, FIRST)


def test_keys_that_a_crash_left_half_made_stand_in_no_passphrases_way(tmp_path: Path) -> None:
    folder, _ = founded(tmp_path / "net", FIRST)
    for kind in ("organisations", "patients"):
        made = next((folder / kind).iterdir())
        left = made.with_name(f".{made.name}-00000000")
        left.mkdir()
        (left / "keys").write_bytes((made / "keys").read_bytes())
    assert set_passphrase(folder, lambda: FIRST, SECOND) == 0
    assert whole(folder, SECOND)
    assert list(folder.glob("*/.*-*")) == []


def test_who_does_not_know_the_present_passphrase_sets_no_other(tmp_path: Path) -> None:
    folder, _ = founded(tmp_path / "net", FIRST)
    with pytest.raises(PassphraseRefused):
        set_passphrase(folder, lambda: passphrase_of("a guess of a stranger"), SECOND)
    with pytest.raises(PassphraseMissing):
        set_passphrase(folder, from_environment, SECOND)
    assert whole(folder, FIRST)


def test_a_directory_that_is_open_keeps_its_passphrase(tmp_path: Path) -> None:
    folder, _ = founded(tmp_path / "net", FIRST)
    world = opened(folder, FIRST)
    with pytest.raises(DirectoryInUse):
        set_passphrase(folder, lambda: FIRST, SECOND)
    world.close()
    assert whole(folder, FIRST)


def test_keys_made_later_are_sealed_too_and_rotated_ones_stay_so(tmp_path: Path) -> None:
    folder, _ = founded(tmp_path / "net", FIRST)
    world = opened(folder, FIRST)
    made = world.keyring.new_organisation("Later", Role.PHARMACY)
    city = world.keyring.organisation("City")
    world.keyring.replace_controller(city, made.controller)
    world.close()
    world = opened(folder, FIRST)
    assert world.keyring.organisation("City").controller.secret == made.controller.secret
    assert world.keyring.organisation("Later").number == made.number
    world.close()
    assert not any(made.controller.secret in data for data in every_byte(folder))


def test_a_sealed_file_opens_in_its_own_place_only(tmp_path: Path) -> None:
    folder, _ = founded(tmp_path / "net", FIRST)
    one, other, *_ = sorted(folder.glob("organisations/*/keys"))
    mine = one.read_bytes()
    one.write_bytes(other.read_bytes())
    with pytest.raises(StoreCorrupt, match="from another place"):
        whole(folder, FIRST)
    one.write_bytes(mine[:-1] + bytes([mine[-1] ^ 1]))
    with pytest.raises(StoreCorrupt, match="changed"):
        whole(folder, FIRST)
    one.write_bytes(mine)
    signing = next(folder.glob("custodians/*/keys/signing"))
    held = signing.read_bytes()
    signing.write_bytes(bytes(32))
    with pytest.raises(StoreCorrupt, match="not sealed"):
        opened(folder, FIRST)
    signing.write_bytes(held)
    assert whole(folder, FIRST)


def test_sealed_files_without_their_vault_are_damage_and_not_taken_for_keys(tmp_path: Path) -> None:
    folder, _ = founded(tmp_path / "net", FIRST)
    (folder / "vault").rename(tmp_path / "vault")
    with pytest.raises(StoreCorrupt, match="vault"):
        opened(folder, FIRST)
    with pytest.raises(StoreCorrupt, match="vault"):
        Keyring(folder, InsecurePlainGuard()).organisations()
    (folder / "vault").write_bytes(b"nonsense")
    with pytest.raises(StoreCorrupt, match="vault"):
        open_guard(folder, lambda: FIRST)


def test_custodians_in_processes_of_their_own_open_their_keys_and_no_others(tmp_path: Path) -> None:
    world = found(
        tmp_path / "net", ["Officer A"], SystemClock(), threshold=1, processes=True, passphrase=FIRST
    )
    from careledger.app.founding import propose

    made = propose(world, Member("City", (Role.HOSPITAL,)))
    world.open_custodian(made.number)
    assert world.custodians[made.number].call("keys", b"")
    key = vault.SealedKeys(Secret(bytes(32)))
    with pytest.raises(CareLedgerError):
        CustodyDirectory(world.custodian_folder(made.number), key)
    world.close()


# Where it comes from -------------------------------------------------------------------------------


def test_the_environment_or_a_file_that_it_names_has_the_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PassphraseMissing):
        from_environment()
    file = tmp_path / "passphrase"
    file.write_text("the first of all passphrases\nand a note\n")
    monkeypatch.setenv("CARELEDGER_PASSPHRASE_FILE", str(file))
    assert from_environment() == FIRST
    monkeypatch.setenv("CARELEDGER_PASSPHRASE", "the second of all passphrases")
    assert from_environment() == SECOND
    monkeypatch.delenv("CARELEDGER_PASSPHRASE")
    for wrong in ("", "\n"):
        file.write_text(wrong)
        with pytest.raises(PassphraseMissing):
            from_environment()
    file.unlink()
    with pytest.raises(PassphraseMissing):
        from_environment()


# Crashes -------------------------------------------------------------------------------------------


class Died(Exception):
    """The process ended here."""


def dying(at: int, after: bool) -> Callable[[Path, bytes], None]:
    """The ``at``-th file to be replaced is the last, before or after it was."""
    real, done = vault.replace_file, [0]

    def replace_file(path: Path, data: bytes) -> None:
        due = done[0] == at
        done[0] += 1
        if due and not after:
            raise Died
        real(path, data)
        if due:
            raise Died

    return replace_file


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [0, 1, 2, 8, 13])
def test_sealing_that_crashed_is_finished_by_the_same_call(
    at: int, after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = founded(tmp_path / "net", None)
    with monkeypatch.context() as patch:
        patch.setattr(vault, "replace_file", dying(at, after))
        with pytest.raises(Died):
            set_passphrase(folder, from_environment, FIRST)
    set_passphrase(folder, from_environment, FIRST)
    assert whole(folder, FIRST)
    assert set_passphrase(folder, from_environment, FIRST) == 0


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_change_that_crashed_leaves_the_one_passphrase_or_the_other(
    after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = founded(tmp_path / "net", FIRST)
    with monkeypatch.context() as patch:
        patch.setattr(vault, "replace_file", dying(0, after))
        with pytest.raises(Died):
            set_passphrase(folder, lambda: FIRST, SECOND)
    assert whole(folder, SECOND if after else FIRST)
    set_passphrase(folder, lambda: FIRST, SECOND)
    assert whole(folder, SECOND)
