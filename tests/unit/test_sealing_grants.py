"""Grant packages: only the grantee's organisation opens them, and their size says little."""

from __future__ import annotations

import pytest

from careledger.domain.errors import CannotOpen, KeyRefused, MalformedBytes, PackageTooLarge
from careledger.sealing.grants import MOST_CONTENT, SIZES, find_packages, open_package, seal_package
from careledger.sealing.keys import OVERHEAD, SealingKey, wrap
from careledger.sealing.padme import pad_to

GRANTEE = SealingKey.random()
STRANGER = SealingKey.random()
SMALL, MIDDLE, LARGE = SIZES


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (0, SMALL),
        (SMALL - OVERHEAD - 8, SMALL),
        (SMALL - OVERHEAD - 7, MIDDLE),
        (MIDDLE - OVERHEAD - 8, MIDDLE),
        (MIDDLE - OVERHEAD - 7, LARGE),
        (MOST_CONTENT, LARGE),
    ],
)
def test_a_package_has_one_of_three_sizes_and_comes_back(content: int, size: int) -> None:
    package = seal_package(GRANTEE.public, b"c" * content)
    assert len(package) == size
    assert open_package(GRANTEE, package) == b"c" * content


def test_a_grant_that_fits_no_package_is_refused() -> None:
    assert MOST_CONTENT == 64_392
    with pytest.raises(PackageTooLarge):
        seal_package(GRANTEE.public, bytes(MOST_CONTENT + 1))


def test_a_package_is_sealed_to_no_malformed_key() -> None:
    with pytest.raises(KeyRefused):
        seal_package(GRANTEE.public[:-1], b"grant")


def test_a_stranger_and_a_changed_package_open_nothing() -> None:
    package = seal_package(GRANTEE.public, b"grant")
    changed = package[:2000] + bytes([package[2000] ^ 1]) + package[2001:]
    for key, data in ((STRANGER, package), (GRANTEE, changed), (GRANTEE, package[:-1]), (GRANTEE, b"")):
        with pytest.raises(CannotOpen):
            open_package(key, data)


def test_a_package_names_nobody() -> None:
    package = seal_package(GRANTEE.public, b"grant")
    assert GRANTEE.digest not in package
    assert GRANTEE.public[:32] not in package


def test_an_organisation_finds_its_own_packages_among_those_of_others() -> None:
    second = SealingKey.random()
    board = [
        seal_package(key.public, b"grant %d" % i)
        for i, key in enumerate([STRANGER, GRANTEE, STRANGER, second])
    ]
    board.insert(0, b"rubbish")
    board.append(bytes(SMALL))
    assert list(find_packages([GRANTEE, second], board)) == [(2, b"grant 1"), (4, b"grant 3")]
    assert list(find_packages([SealingKey.random()], board)) == []
    assert list(find_packages([], board)) == []


def test_a_package_of_a_fourth_size_is_passed_over_though_it_would_open() -> None:
    odd = wrap(GRANTEE.public, pad_to(b"grant", 5000), "grant-package", GRANTEE.digest)
    with pytest.raises(CannotOpen):
        open_package(GRANTEE, odd)


def test_a_package_that_its_sender_padded_wrongly_is_refused() -> None:
    padded = (3).to_bytes(8, "big") + b"abc" + b"\1" * (SMALL - OVERHEAD - 11)
    with pytest.raises(MalformedBytes):
        open_package(GRANTEE, wrap(GRANTEE.public, padded, "grant-package", GRANTEE.digest))
