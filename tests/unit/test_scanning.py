"""Which texts hold files, and that none of what FHIR can carry in base64 is passed over."""

from __future__ import annotations

import base64
import json

import pytest

from careledger.fhir.definitions.tables import definitions
from careledger.workflows.scanning import IN_BASE64, files_in


def test_every_element_that_r4_gives_in_base64_is_looked_into() -> None:
    shapes = definitions().shapes.values()
    found = {
        name for shape in shapes for name, each in shape["elements"].items() if each["type"] == "base64Binary"
    }
    assert found == IN_BASE64


def test_files_are_found_wherever_they_stand_and_what_is_no_base64_as_it_is() -> None:
    text = base64.b64encode(b"a file").decode()
    resource = {
        "contained": [{"resourceType": "Binary", "data": text}],
        "_status": {"extension": [{"url": "urn:x", "valueBase64Binary": f"{text[:3]} \n{text[3:]}"}]},
        "content": [{"attachment": {"data": "no base64!", "_data": {"id": "1"}}}],
        "data": 7,
    }
    assert list(files_in(json.dumps(resource).encode())) == [
        ("contained[0].data", b"a file"),
        ("_status.extension[0].valueBase64Binary", b"a file"),
        ("content[0].attachment.data", b"no base64!"),
    ]
    assert list(files_in(b'{"data": ')) == []
    assert list(files_in(b"[" * 100_000 + b'"data"')) == []


@pytest.mark.parametrize(
    "url",
    [
        "data:application/pdf;base64,YSBmaWxl",
        "DATA:;base64,YSBm\naWxl",
        "data:text/html,a%20file",
        "d\tata:text/html;charset=utf-8,a file",
    ],
    ids=["base64", "no type", "escaped", "broken"],
)
def test_a_file_in_a_url_is_found_in_attachments_and_in_narratives(url: str) -> None:
    resource = {
        "text": {
            "div": f'<div><p>Data: none, see 3</p><img alt="1" src="{url.replace("a:", "&#97;&#58;")}"/></div>'
        },
        "content": [{"attachment": {"url": url}}],
    }
    assert list(files_in(json.dumps(resource).encode())) == [
        ("text.div", b"a file"),
        ("content[0].attachment.url", b"a file"),
    ]


def test_what_only_speaks_of_data_holds_no_file() -> None:
    words = {"note": [{"text": "data: 5, of 7; data:image, none"}, {"text": "urn:data:1,2"}]}
    assert list(files_in(json.dumps(words).encode())) == []
