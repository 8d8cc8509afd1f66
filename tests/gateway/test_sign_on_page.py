"""docs/sign-on.md does what it says: every command is run in an empty directory."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from careledger.formats.sign_on import MOST_PROOFS
from gateway.saml_world import Idp, ec_key
from stories.cli_world import ENVIRONMENT, careledger, told
from stories.conftest import passphrase
from stories.test_walkthrough import steps_of

__all__ = ["passphrase"]
PAGE = Path(__file__).parents[2] / "docs" / "sign-on.md"


@pytest.mark.slow
def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_text("the client's secret\n")
    idp = Idp(ec_key(int(time.time()) - 60), lambda: int(time.time()))
    (tmp_path / "metadata.xml").write_bytes(idp.metadata())
    (tmp_path / "staff.csv").write_text(re.findall(r"^```\n(login.*?)^```", PAGE.read_text(), re.M | re.S)[0])
    done = 0
    for line, says in steps_of(PAGE):
        words = shlex.split(line)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            monkeypatch.setenv(name, value)
            monkeypatch.setitem(ENVIRONMENT, name, value)
            continue
        if "PROVIDER" in words:
            (found,) = told("sign-on", "list", "--as", "City Hospital")["providers"]
            words[words.index("PROVIDER")] = found["id"]
            assert found["roles"] == {"physicians": "doctor", "nursing": "nurse"}
            assert "secret" not in {each for each in found if each != "proves_itself"}
        ended = careledger(*words[1:], width=300)
        assert says in ended.out + ended.err, (line, ended)
        done += 1
    assert done == 11
    assert told("sign-on", "list", "--as", "City Hospital")["providers"] == []


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hospitals, none with a provider."""
    monkeypatch.setitem(ENVIRONMENT, "CARELEDGER_DATA", str(tmp_path / "network"))
    members = [f"--member={each} Hospital=hospital" for each in ("City", "Lakeside", "North")]
    assert careledger("init", *members).code == 0


@pytest.fixture
def described(tmp_path: Path) -> Callable[..., str]:
    """The file of a SAML provider's metadata, written anew with another key."""

    def written(issuer: str = Idp.issuer) -> str:
        now, file = int(time.time()), tmp_path / "metadata.xml"
        file.write_bytes(Idp(ec_key(now - 60), lambda: now, issuer=issuer).metadata())
        return str(file)

    return written


@pytest.mark.slow
@pytest.mark.usefixtures("network")
def test_what_cannot_be_an_openid_provider_is_refused_and_a_stranger_removes_none(
    described: Callable[..., str],
) -> None:
    add = shlex.split("sign-on add https://idp.city.example --as 'City Hospital' --client c --claim groups")
    for wrong in (
        ["--role", "a=doctor"], ["--role", "a=doctor", "--any-proof", "--acr", "mfa"],
        ["--role", "a=doctor", "--acr", "0"], ["--role", "a=doctor", "--amr", "pwd"],
        ["--role", "a=doctor", "--amr", "otp"], ["--role", "a=doctor", "--amr", "pwd", "--amr", "pin"],
        ["--role", "a=doctor", "--acr", "two words"],
    ):  # fmt: skip
        assert careledger(*add, *wrong).code == 2
    assert told("sign-on", "list", "--as", "City Hospital")["providers"] == []
    add += ["--amr", "mfa"]
    for wrong in (
        ["--role", "physicians"], ["--role", "physicians=hospital"], ["--role", "=doctor"],
        ["--role", "a=doctor", "--secret", "nowhere"], ["--role", "a=doctor", "--person", ""],
        ["--role", "a=doctor", *(f"--amr=m{each}" for each in range(MOST_PROOFS))],
    ):  # fmt: skip
        assert careledger(*add, *wrong).code == 2
    assert careledger(*add, "--role", "a=doctor").code == 0
    (found,) = told("sign-on", "list", "--as", "City Hospital")["providers"]
    assert (found["proves_itself"], found["amr"], found["any_proof"]) == ("by its key", ["mfa"], False)
    assert careledger("sign-on", "remove", found["id"], "--as", "Lakeside Hospital").code == 2
    assert careledger("sign-on", "renew", found["id"], described(), "--as", "City Hospital").code == 2


@pytest.mark.slow
@pytest.mark.usefixtures("network")
def test_what_cannot_be_a_saml_provider_is_refused_and_a_stranger_renews_none(
    tmp_path: Path, described: Callable[..., str]
) -> None:
    file = described()
    saml = ["sign-on", "add", "--as", "City Hospital", "--claim", "groups", "--role", "a=doctor", "--saml"]
    for wrong in (
        [file, "--client", "c"],
        [file, "https://idp.city.example"],
        [str(tmp_path / "none")],
        [file, "--amr", "mfa"],
        [file, "--acr", "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"],
        [file, "--acr", "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"],
    ):
        assert careledger(*saml, *wrong, "--any-proof").code == 2
        assert careledger(*saml, *wrong).code == 2
    assert careledger(*saml, file).code == 2
    assert careledger(*saml[:-1], "--any-proof").code == 2
    added = told(*saml, file, "--acr", "https://refeds.org/profile/mfa")
    assert (added["acr"], added["any_proof"]) == (["https://refeds.org/profile/mfa"], False)
    renew = ["sign-on", "renew", added["id"]]
    assert careledger(*renew, file, "--as", "Lakeside Hospital").code == 2
    described(issuer="https://other.example")
    assert careledger(*renew, file, "--as", "City Hospital").code == 2
    described()
    assert told(*renew, file, "--as", "City Hospital")["certificates"] != added["certificates"]
    assert careledger("sign-on", "remove", added["id"], "--as", "City Hospital").code == 0
    assert told("sign-on", "list", "--as", "City Hospital")["providers"] == []
