"""Decentralised identifiers in their one spelling: published vectors of did:key and did:web, and what is refused."""

from __future__ import annotations

import pytest

from careledger.domain.errors import MalformedBytes
from careledger.formats import dids
from careledger.formats.signatures import SigningKey, address_of, uncompressed

# w3c-ccg/did-method-key, test-vectors/secp256k1.json: seed and identifier
VECTORS = {
    "9085d2bef69286a6cbb51623c8fa258629945cd55ca705cc4e66700396894e0c":
        "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
    "f0f4df55a2b3ff13051ea814a8f24ad00f2e469af73c363ac7e9fb999a9072ed":
        "did:key:zQ3shtxV1FrJfhqE1dvxYRcCknWNjHc3c5X1y3ZSoPDi2aur2",
}  # fmt: skip
# W3C CCG did:web, §2.5 and §3.2
PLACES = {
    "did:web:w3c-ccg.github.io": "https://w3c-ccg.github.io/.well-known/did.json",
    "did:web:w3c-ccg.github.io:user:alice": "https://w3c-ccg.github.io/user/alice/did.json",
    "did:web:example.com%3A3000:user:alice": "https://example.com:3000/user/alice/did.json",
}


@pytest.mark.parametrize(("seed", "did"), VECTORS.items())
def test_a_did_key_is_that_of_the_published_vectors(seed: str, did: str) -> None:
    key = SigningKey(bytes.fromhex(seed))
    assert dids.key_did(key.public) == did
    assert dids.key_of(did) == key.public
    assert address_of(uncompressed(key.public)) == key.address
    document = dids.key_document(did)
    [method] = document["verificationMethod"]
    assert method["id"] == f"{did}#{did.removeprefix('did:key:')}"
    assert document["authentication"] == document["assertionMethod"] == [method["id"]]
    assert method["publicKeyMultibase"] == did.removeprefix("did:key:")
    assert "keyAgreement" not in document


@pytest.mark.parametrize(
    "did",
    [
        "did:key:z6MkwJSaEMnE4u6LiqrZV1BJHSkc9x8S4mTm3ArNL1m19BZR",  # Ed25519
        "did:key:uQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
        "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBm",
        "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme#key",
        "did:key:z" + "1" * 3_000,
        "did:key:",
        "did:web:example.com",
    ],
)
def test_what_is_no_did_key_of_ours_is_refused(did: str) -> None:
    with pytest.raises(MalformedBytes):
        dids.key_document(did)


@pytest.mark.parametrize(("did", "place"), PLACES.items())
def test_a_did_web_leads_where_its_method_says(did: str, place: str) -> None:
    assert dids.web_url(did) == place
    base, _, path = (
        place.removesuffix("/did.json").removesuffix("/.well-known").partition("//")[2].partition("/")
    )
    assert dids.web_did(f"https://{base}", *path.split("/") if path else ()) == did


@pytest.mark.parametrize(
    "did",
    [
        "did:web:",
        "did:web:example.com:..:secret",
        "did:web:example.com:%2e%2e:secret",
        "did:web:example.com%2Fpath",
        "did:web:user%40example.com",
        "did:web:example.com%3A80%40other",
        "did:web:example.com::",
        "did:web:example.com?query",
        "did:web:example.com/path",
        "did:web:example.com:a%2Fb",
        "did:key:zQ3s",
    ],
)
def test_a_did_web_leads_nowhere_else(did: str) -> None:
    with pytest.raises(MalformedBytes):
        dids.web_url(did)


def test_a_party_is_named_on_its_own_ledger_alone() -> None:
    assert dids.ledger_party("did:careledger:20261:00000000000000ff", 20261) == 255
    for rest in ("1:00000000000000ff", "20261:ff", "20261:00000000000000FF"):
        with pytest.raises(MalformedBytes):
            dids.ledger_party(f"did:careledger:{rest}", 20261)
