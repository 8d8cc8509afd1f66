"""Signatures in a document (XML Signature, as SAML 2.0 Core 5.4 narrows it), by the keys of a provider's metadata."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from careledger.app.identity.saml import markup
from careledger.app.identity.saml.markup import DSIG, Element
from careledger.domain.errors import SignOnRefused

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
TRANSFORMS = ["http://www.w3.org/2000/09/xmldsig#enveloped-signature", EXCLUSIVE]
SIGNED_BY = ("RSA_SHA256", "RSA_SHA384", "RSA_SHA512", "ECDSA_SHA256", "ECDSA_SHA384", "ECDSA_SHA512",
             "SHA256_RSA_MGF1", "SHA384_RSA_MGF1", "SHA512_RSA_MGF1")  # fmt: skip
DIGESTS = ("SHA256", "SHA384", "SHA512")
"""Algorithms, as signxml calls them."""


def keys(certificates: Iterable[bytes]) -> list[x509.Certificate]:
    """A provider's certificates, read."""
    return [x509.load_der_x509_certificate(each) for each in certificates]


def of(parent: Element) -> Element | None:
    """The one signature of an element."""
    return markup.only(parent, f"{DSIG}Signature")


def are_alone(root: Element, places: Iterable[Element]) -> bool:
    """Whether each of these elements has an ID that nothing else in the document has."""
    ids = [value for each in root.iter() for name, value in each.items() if name.lower().endswith("id")]
    own = [each.get("ID") for each in places]
    return all(own) and all(ids.count(each) == 1 for each in own)


def check(signature: Element, id: str) -> None:
    """That it covers its parent, and as a whole; raises SignOnRefused."""
    signed_info = markup.only(signature, f"{DSIG}SignedInfo")
    method = signed_info.find(f"{DSIG}CanonicalizationMethod") if signed_info is not None else None
    reference = None if signed_info is None else markup.only(signed_info, f"{DSIG}Reference")
    if method is None or method.get("Algorithm") != EXCLUSIVE or reference is None:
        raise SignOnRefused(why="a signature is not as SAML has it")
    transforms = [each.get("Algorithm") for each in reference.iter(f"{DSIG}Transform")]
    if reference.get("URI") != f"#{id}" or transforms != TRANSFORMS:
        raise SignOnRefused(why="a signature covers something else than where it stands")


def read(data: bytes, place: str, by: Iterable[x509.Certificate], now: int) -> Element:
    """What the signature there covers, by one of those keys while its certificate is in force; raises SignOnRefused."""
    from lxml import etree
    from signxml.algorithms import DigestAlgorithm, SignatureMethod
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    wanted = SignatureConfiguration(
        location=place,
        signature_methods=frozenset(SignatureMethod[each] for each in SIGNED_BY),
        digest_algorithms=frozenset(DigestAlgorithm[each] for each in DIGESTS),
        verification_time=datetime.fromtimestamp(now, UTC),
        ignore_ambiguous_key_info=True,  # what a document says of keys is not looked at
    )
    for key in by:
        try:
            made: Any = XMLVerifier().verify(
                data, x509_cert=key, expect_config=wanted, id_attribute="ID", parser=markup.parser()
            )
        except (SignXMLException, etree.LxmlError, ValueError, TypeError, AttributeError, LookupError):
            continue
        return made.signed_xml
    raise SignOnRefused(why="a signature is by no key of the provider, or by an algorithm that is not taken")
