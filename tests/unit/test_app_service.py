"""A service's settings: one table, every value with the place where it was said, nothing unknown, nothing secret."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from careledger.app.service import logs, tls
from careledger.app.service.logs import JsonLines, TextLines
from careledger.app.service.reading import FILE, configured, from_file
from careledger.app.service.table import Service, table
from careledger.domain.errors import ConfigurationRefused

BEYOND: dict[str, Any] = {"host": "0.0.0.0"}


def told(
    folder: Path, text: str = "", environment: dict[str, str] | None = None, **options: Any
) -> dict[str, Any]:
    """Value and origin of every setting."""
    if text:
        (folder / FILE).write_text(text)
    found = configured(
        folder, environment or {}, None, {name.replace("_", "."): each for name, each in options.items()}
    )
    return {each.setting.name: (each.value, each.origin) for each in found.values}


def test_the_command_line_counts_before_the_environment_the_file_and_what_is_built_in(tmp_path: Path) -> None:
    file = "[listen]\nport = 1\nhosts = ['one', 'two']\n[work]\nlooks_every = 3\n[log]\nformat = 'json'\n"
    said = told(
        tmp_path, file, {"CARELEDGER_LISTEN_PORT": "2", "CARELEDGER_LOG_FORMAT": "text"}, listen_port=3
    )
    assert said["listen.port"] == (3, "the command line")
    assert said["log.format"] == ("text", "the environment, CARELEDGER_LOG_FORMAT")
    assert said["listen.hosts"] == (("one", "two"), f"{tmp_path / FILE} line 3")
    assert said["work.looks_every"] == (3.0, f"{tmp_path / FILE} line 5")
    assert said["listen.host"] == ("127.0.0.1", "default")
    assert len(said) == len(table())


def test_the_environment_may_say_every_setting(tmp_path: Path) -> None:
    given = {
        "tls.cert": "c",
        "tls.key": "k",
        "listen.hosts": "one, two",
        "log.requests": "TRUE",
        "listen.port": "9",
    }
    texts = {each.name: given.get(each.name, _text(each.default)) for each in table()}
    environment = {each.variable: texts[each.name] for each in table()}
    said = configured(tmp_path, environment).service
    assert said == Service(port=9, hosts=("one", "two"), cert="c", key="k", log_requests=True)


def _text(default: Any) -> str:
    return "" if default == () else str(default).lower() if isinstance(default, bool) else str(default)


@pytest.mark.parametrize(
    ("file", "key", "line"),
    [
        ("[listen]\n\nprot = 1\n", "listen.prot", 3),
        ("colour = 'blue'\n", "colour", 1),
        ("[listen]\nport = 1\n[colour]\n", "colour", 3),
        ("listen.port = 1\nlisten.prot = 2\n", "listen.prot", 2),
        ("[listen]\nport = 1\n[listen.port2]\nx = 1\n", "listen.port2.x", 4),
    ],
)
def test_an_unknown_name_in_the_file_is_refused_with_its_place(
    tmp_path: Path, file: str, key: str, line: int
) -> None:
    with pytest.raises(ConfigurationRefused) as caught:
        told(tmp_path, file)
    assert caught.value.details["key"] == key
    assert caught.value.details["place"] == f"{tmp_path / FILE} line {line}"


def test_what_is_nearly_a_name_is_told_which_one_it_may_be() -> None:
    with pytest.raises(ConfigurationRefused, match=r"unknown; CARELEDGER_LISTEN_PORT is known"):
        configured(Path("/nowhere"), {"CARELEDGER_LISTEN_PORTS": "1"})


def test_other_variables_of_the_environment_are_left_alone(tmp_path: Path) -> None:
    others = {
        "CARELEDGER_DATA": "x",
        "CARELEDGER_PASSPHRASE": "x",
        "LISTEN_PORT": "x",
        "CARELEDGER_LISTENING": "x",
    }
    assert configured(tmp_path, others).service == Service()


@pytest.mark.parametrize(
    "file",
    ["passphrase = 'hunter2hunter2'\n", "[tls]\nkey_password = 'hunter2hunter2'\n", "passphrase = hunter2\n"],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, file: str) -> None:
    with pytest.raises(ConfigurationRefused) as caught:
        told(tmp_path, file)
    assert "hunter2" not in str(caught.value)
    assert FILE in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ("listen.port", 70_000), ("listen.port", "8080"), ("listen.port", True), ("listen.port", 1.5),
        ("listen.hosts", "one"), ("listen.hosts", [1]), ("log.requests", "yes"), ("log.format", "xml"),
        ("log.level", "loud"), ("listen.base", "ftp://x"), ("listen.base", "http://ehr.example.org"),
        ("listen.base", "https://ehr.example.org/"), ("listen.base", "https://me:pass@ehr.example.org"),
        ("listen.base", "https://[::1"), ("listen.host", "0.0.0.0"), ("listen.host", "ehr.example.org"),
        ("proxy.trusted", ["0.0.0.0/0"]), ("proxy.trusted", ["::/0"]), ("proxy.trusted", ["proxy.example.org"]),
        ("metrics.address", "0.0.0.0:9464"), ("metrics.address", "9464"), ("metrics.address", "127.0.0.1:99999"),
        ("metrics.address", "https://127.0.0.1:9464"), ("metrics.address", "https://192.0.2.1:9464"),
        ("metrics.address", "metrics.socket"), ("tls.clients", "authorities.pem"),
        ("members.listen", "8444"), ("members.listen", "127.0.0.1:99999"), ("members.listen", ":8444"),
        ("traces.endpoint", "http://collector.example.org/v1/traces"), ("tls.cert", "alone.pem"),
        ("tls.key", "alone.pem"), ("work.looks_every", 0), ("shutdown.within", 0.5), ("shutdown.notice", -1),
        ("shutdown.within", 1e9), ("work.tends_every", float("nan")),
    ],
)  # fmt: skip
def test_a_value_that_does_not_go_is_refused_where_it_was_said(
    tmp_path: Path, setting: str, wrong: Any
) -> None:
    section, _, key = setting.partition(".")
    value = "nan" if wrong != wrong else json.dumps(wrong)
    with pytest.raises(ConfigurationRefused) as caught:
        told(tmp_path, f"[{section}]\n{key} = {value}\n")
    assert str(caught.value.details["key"]).startswith(section)
    assert FILE in str(caught.value) or "default" in str(caught.value.details["place"])


def test_beyond_loopback_needs_a_certificate_or_a_proxy_that_is_reached_over_tls() -> None:
    proxy = ("10.0.0.1",)
    fews: tuple[dict[str, Any], ...] = (
        {},
        {"proxies": proxy},
        {"base": "https://ehr.example.org"},
        {"proxies": proxy, "plain": True, "base": "http://[::1]"},
        {"proxies": proxy, "base": "https://ehr.example.org"},
        {"plain": True, "base": "https://ehr.example.org"},
    )
    for few in fews:
        with pytest.raises(ConfigurationRefused, match="beyond loopback"):
            Service(**BEYOND, **few)
    assert Service(**BEYOND, cert="c", key="k").host == "0.0.0.0"
    proxied = Service(**BEYOND, proxies=proxy, plain=True, base="https://ehr.example.org")
    assert proxied.names == {"ehr.example.org"}


def test_a_file_that_is_not_there_or_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationRefused, match="cannot be read"):
        configured(tmp_path, {}, tmp_path / "none.toml")
    with pytest.raises(ConfigurationRefused, match="cannot be read"):
        configured(tmp_path, {"CARELEDGER_CONFIG": str(tmp_path / "none.toml")})
    (tmp_path / "bad.toml").write_text("[listen\nport = 1")
    with pytest.raises(ConfigurationRefused, match=r"not TOML \(at line 1"):
        from_file(tmp_path / "bad.toml")


def test_a_key_that_others_may_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    service = Service(cert=str(cert), key=str(key))
    with pytest.raises(ConfigurationRefused, match=r"tls\.cert, no such file"):
        tls.context(service)
    cert.write_text("x")
    key.write_text("x")
    key.chmod(0o640)
    with pytest.raises(ConfigurationRefused, match="others may read"):
        tls.context(service)
    key.chmod(0o600)
    with pytest.raises(ConfigurationRefused, match="not a PEM certificate"):
        tls.context(service)


NAME = "Rahima Khatun"


def record(logger: str, message: str, *given: Any, error: bool = False, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord(logger, logging.ERROR, __file__, 1, message, given, None)
    vars(made).update(extra)
    if error:
        try:
            raise ValueError(NAME)
        except ValueError:
            made.exc_info = sys.exc_info()
    return made


@pytest.mark.parametrize("lines", [JsonLines(), TextLines()])
def test_a_log_line_says_where_an_error_was_and_nothing_that_it_says(lines: logging.Formatter) -> None:
    said = lines.format(record("careledger.gateway", "unexpected, noted as %s", "ab12", error=True))
    assert "noted as ab12" in said
    assert "ValueError" in said
    assert "test_app_service.py" in said
    assert NAME not in said


@pytest.mark.parametrize("lines", [JsonLines(), TextLines()])
def test_of_other_libraries_messages_only_the_pattern_is_written(lines: logging.Formatter) -> None:
    for message, given in (
        (f"future: <Task exception=ValueError('{NAME}')>", ()),
        ("bad value %r", (NAME,)),
    ):
        said = lines.format(record("asyncio", message, *given, note=NAME, route=NAME))
        assert NAME not in said
        assert message[:6] in said


def test_a_line_of_json_is_one_object_with_the_facts_of_a_request() -> None:
    said = JsonLines().format(
        record("careledger.requests", "answered", route="/fhir/{kind}", status=200, path=NAME)
    )
    assert "\n" not in said
    facts = json.loads(said)
    assert {name: facts[name] for name in ("route", "status", "message")} == {
        "route": "/fhir/{kind}", "status": 200, "message": "answered"
    }  # fmt: skip
    assert "path" not in facts


def test_the_log_is_set_up_once_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        logs.set_up(Service(log_format="json", log_level="info"))
        logging.getLogger("careledger.x").info("begun")
        logging.getLogger("careledger.x").debug("no")
        assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["begun"]
        logs.set_up(Service(log_format="json", log_level="error"))
        logging.getLogger("careledger.x").warning("no")
        logging.getLogger("careledger.security").info("signed-in", extra={"who": "a", "path": "b"})
        [line] = map(json.loads, capsys.readouterr().err.splitlines())
        assert (line["message"], line["who"], "path" in line) == ("signed-in", "a", False)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
