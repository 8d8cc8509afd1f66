"""Signed statements: deterministic CBOR, one secp256k1 signature, bound to one deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from careledger.formats import schema
from careledger.formats.digests import digest, uint
from careledger.formats.signatures import Address, SigningKey, check_signer, signer_of

M = TypeVar("M", bound=schema.Message)


def deployment_id(chain_id: int, directory: Address) -> bytes:
    """What every signed statement is bound to: ``H("deployment", chain id, directory address)``."""
    return digest("deployment", uint(chain_id), directory)


def statement_digest(deployment: bytes, kind: str, body: bytes) -> bytes:
    """What is signed: ``H("signed/" + TYPE, deployment, body)``."""
    return digest(f"signed/{kind}", deployment, body)


@dataclass(frozen=True)
class Signed(schema.Message):
    """An encoded statement and the signature over it. Trust it only through ``open_signed``."""

    TYPE: ClassVar[str] = "signed"
    body: bytes = schema.octets()
    signature: bytes = schema.octets(65)


def sign(statement: schema.Message, key: SigningKey, deployment: bytes) -> Signed:
    """The statement, signed by key for that deployment."""
    body = statement.encode()
    return Signed(body, key.sign(statement_digest(deployment, statement.TYPE, body)))


def check_signed(kind: type[schema.Message], signed: Signed, by: Address, deployment: bytes) -> None:
    """Raises SignatureRefused unless ``by`` signed this body as a statement of that kind."""
    check_signer(statement_digest(deployment, kind.TYPE, signed.body), signed.signature, by)


def open_signed(kind: type[M], signed: Signed, by: Address, deployment: bytes) -> M:
    """The statement, after checking that ``by`` signed it; raises SignatureRefused, MalformedBytes."""
    check_signed(kind, signed, by, deployment)
    return kind.decode(signed.body)


def who_signed(kind: type[schema.Message], signed: Signed, deployment: bytes) -> Address:
    """The address that signed; raises SignatureRefused if nobody can have."""
    return signer_of(statement_digest(deployment, kind.TYPE, signed.body), signed.signature)
