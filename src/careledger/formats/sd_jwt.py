"""SD-JWTs (RFC 9901) apart from their signatures: disclosures, digests, and what the claims are with them put in.

Anything that RFC 9901 §7.1 tells a verifier to reject is refused: a digest that occurs twice, a disclosure that nothing
refers to, a claim that is there already, a hash that is not SHA-256, JSON with a name twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from careledger.domain.errors import MalformedBytes

SHA256 = "sha-256"
DIGESTS, ELEMENT, ALGORITHM = "_sd", "...", "_sd_alg"
MOST, MOST_DISCLOSURES, DEEPEST = 64 * 1024, 100, 16
Claims = dict[str, Any]


def base64url(data: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """In its one spelling; raises MalformedBytes."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise MalformedBytes(why="not base64url") from None
    if base64url(data) != text:
        raise MalformedBytes(why="not base64url in its one spelling")
    return data


def strict_json(data: bytes) -> Any:
    """JSON in which no object names anything twice and no number is none; raises MalformedBytes."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise MalformedBytes(why="not strict JSON") from None


def _once(pairs: list[tuple[str, Any]]) -> Claims:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name twice")
    return made


def _no_number(text: str) -> Any:
    raise ValueError(text)


def disclosure(salt: bytes, name: str, value: Any) -> str:
    """A disclosure of an object's property (§4.2.1)."""
    return base64url(json.dumps([base64url(salt), name, value]).encode())


def digest_of(text: str) -> str:
    """The digest of a disclosure (§4.2.3) or of a presentation (§4.3.1)."""
    return base64url(hashlib.sha256(text.encode("ascii")).digest())


@dataclass(frozen=True)
class SdJwt:
    """An SD-JWT taken apart: the issuer's JWT, the disclosures, and the key-binding JWT, empty where there is none."""

    jwt: str
    disclosures: tuple[str, ...]
    binding: str = ""

    @classmethod
    def parse(cls, text: str) -> SdJwt:
        """Raises MalformedBytes."""
        jwt, *rest = text.strip().split("~")
        if len(text) > MOST or not text.isascii() or not rest or len(rest) > MOST_DISCLOSURES:
            raise MalformedBytes(why="not an SD-JWT")
        if jwt.count(".") != 2 or (rest[-1] and rest[-1].count(".") != 2) or not all(rest[:-1]):
            raise MalformedBytes(why="not an SD-JWT")
        return cls(jwt, tuple(rest[:-1]), rest[-1])

    @property
    def unbound(self) -> str:
        """All that a key-binding JWT's ``sd_hash`` is over: with the last tilde."""
        return "~".join((self.jwt, *self.disclosures, ""))

    @property
    def text(self) -> str:
        """As it is sent."""
        return self.unbound + self.binding

    def showing(self, names: set[str]) -> SdJwt:
        """The same with the disclosures of these properties alone; raises MalformedBytes if one is not there."""
        named = {each: _opened(each)[1] for each in self.disclosures}
        if names - set(named.values()):
            raise MalformedBytes(why="nothing to disclose by that name")
        return SdJwt(self.jwt, tuple(each for each, name in named.items() if name in names))


def _opened(text: str) -> list[Any]:
    found = strict_json(from_base64url(text))
    if not isinstance(found, list) or len(found) not in (2, 3) or not isinstance(found[0], str):
        raise MalformedBytes(why="not a disclosure")
    if len(found) == 3 and (not isinstance(found[1], str) or found[1] in (DIGESTS, ELEMENT)):
        raise MalformedBytes(why="a disclosure of a name that cannot be")
    return found


@dataclass
class _Processing:
    """One walk: every digest that was met, and which disclosures were put in."""

    disclosed: dict[str, list[Any]]
    met: set[str] = field(default_factory=set)

    def value(self, value: Any, depth: int = 0) -> Any:
        """With everything disclosed put in, and digests taken out."""
        if depth > DEEPEST:
            raise MalformedBytes(why="too deep")
        if isinstance(value, dict):
            return self._object(value, depth + 1)
        if isinstance(value, list):
            return [each for item in value for each in self._item(item, depth + 1)]
        return value

    def _object(self, value: Claims, depth: int) -> Claims:
        digests = value.get(DIGESTS, [])
        if not isinstance(digests, list) or ELEMENT in value:
            raise MalformedBytes(why="digests that are no list")
        made = {name: self.value(each, depth) for name, each in value.items() if name != DIGESTS}
        for digest in digests:
            opened = self._meet(digest, 3)
            if opened is None:
                continue
            if opened[1] in made:
                raise MalformedBytes(why="a disclosed claim that is there already")
            made[opened[1]] = self.value(opened[2], depth)
        return made

    def _item(self, item: Any, depth: int) -> list[Any]:
        if not (isinstance(item, dict) and ELEMENT in item):
            return [self.value(item, depth)]
        if len(item) != 1:
            raise MalformedBytes(why="a digest of an element beside something")
        opened = self._meet(item[ELEMENT], 2)
        return [] if opened is None else [self.value(opened[1], depth)]

    def _meet(self, digest: Any, parts: int) -> list[Any] | None:
        if not isinstance(digest, str) or digest in self.met:
            raise MalformedBytes(why="a digest twice, or none")
        self.met.add(digest)
        opened = self.disclosed.get(digest)
        if opened is not None and len(opened) != parts:
            raise MalformedBytes(why="a disclosure of the other kind")
        return opened


def processed(payload: Claims, disclosures: tuple[str, ...]) -> Claims:
    """The claims of a verified payload with what was disclosed; raises MalformedBytes for what is to be rejected."""
    if payload.get(ALGORITHM, SHA256) != SHA256:
        raise MalformedBytes(why="a hash that is not SHA-256")
    disclosed = {digest_of(each): _opened(each) for each in disclosures}
    if len(disclosed) != len(disclosures):
        raise MalformedBytes(why="a disclosure twice")
    walk = _Processing(disclosed)
    claims: Claims = walk.value({name: each for name, each in payload.items() if name != ALGORITHM})
    if disclosed.keys() - walk.met:
        raise MalformedBytes(why="a disclosure that nothing refers to")
    return claims
