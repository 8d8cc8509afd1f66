"""Messages as frozen dataclasses with one strict deterministic-CBOR encoding each.

A message is a CBOR map from field name to value. Decoding accepts exactly the fields of the class, with
exactly the declared types, sizes and bounds; anything else is MalformedBytes that names the field.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

from careledger.domain.errors import MalformedBytes
from careledger.formats import cbor
from careledger.formats.digests import digest

MOST_ITEMS = 20_000


@dataclass(frozen=True, slots=True)
class Kind:
    """How one field is written: a sentence for the documents, the two directions, an example value."""

    says: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    example: Callable[[], Any]


def _checked(says: str, read: Callable[[Any], Any], example: Any) -> Any:
    """A field whose values are written as they are read."""
    return field(Kind(says, read, read, lambda: example))


def octets(size: int | None = None, most: int = cbor.MOST_BYTES) -> Any:
    """A byte string, of exactly ``size`` or at most ``most`` bytes."""
    says = f"at most {most} bytes" if size is None else f"{size} bytes"
    least, longest = (0, most) if size is None else (size, size)

    def read(value: Any) -> Any:
        if not isinstance(value, bytes) or not least <= len(value) <= longest:
            raise MalformedBytes(expected=says)
        return value

    return _checked(says, read, b"\x01\x02" if size is None else bytes(range(1, size + 1)))


def uint(bits: int = 64) -> Any:
    """An unsigned integer below 2**bits."""
    end = 1 << bits

    def read(value: Any) -> Any:
        if type(value) is not int:
            if not isinstance(value, int) or isinstance(value, bool):
                raise MalformedBytes(expected=f"uint{bits}")
            value = int(value)  # of an IntEnum, which takes three times as long to encode
        if not 0 <= value < end:
            raise MalformedBytes(expected=f"uint{bits}")
        return value

    return _checked(f"uint{bits}", read, 7)


def flag() -> Any:
    """A boolean."""

    def read(value: Any) -> Any:
        if not isinstance(value, bool):
            raise MalformedBytes(expected="bool")
        return value

    return _checked("bool", read, True)


def text(most: int = 1_000) -> Any:
    """Text of at most ``most`` characters."""
    says = f"text, at most {most}"

    def read(value: Any) -> Any:
        if not isinstance(value, str) or len(value) > most:
            raise MalformedBytes(expected=says)
        return value

    return _checked(says, read, "word")


def message(kind: type[Message]) -> Any:
    """A nested message."""
    return field(Kind(kind.__name__, lambda v: v.value(), kind.from_value, kind.example))


def maybe(inner: Any) -> Any:
    """What inner says, or null."""
    kind = _kind_of(inner)
    return field(
        Kind(
            f"{kind.says}, or null",
            lambda v: None if v is None else kind.write(v),
            lambda v: None if v is None else kind.read(v),
            kind.example,
        )
    )


def several(inner: Any, most: int = MOST_ITEMS) -> Any:
    """An array of at most ``most`` of what inner says; a tuple in Python."""
    kind = _kind_of(inner)

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise MalformedBytes(expected=f"array of at most {most}")
        return tuple(kind.read(item) for item in value)

    return field(
        Kind(
            f"array of {kind.says}",
            lambda v: [kind.write(item) for item in v],
            read,
            lambda: (kind.example(),),
        )
    )


def field(kind: Kind) -> Any:
    """A dataclass field that is written as kind says."""
    return dataclasses.field(metadata={"kind": kind})


def _kind_of(made: Any) -> Kind:
    kind: Kind = made.metadata["kind"]
    return kind


class _Declared(NamedTuple):
    """A class's fields in the order of their encoded keys: shorter names first (RFC 8949 §4.2.1)."""

    names: tuple[str, ...]
    writes: tuple[Callable[[Any], Any], ...]
    reads: tuple[Callable[[Any], Any], ...]
    writing: tuple[tuple[str, Callable[[Any], Any]], ...]


_DECLARED: dict[type, _Declared] = {}


@dataclass(frozen=True)
class Message:
    """Base of all messages; TYPE names it in digests and documents, MOST is how many bytes its encoding may have."""

    TYPE: ClassVar[str] = ""
    MOST: ClassVar[int] = cbor.MOST_BYTES

    def __init_subclass__(cls, **options: Any) -> None:
        """Every message is printed by its name alone: many carry keys, secrets or what is said of a person."""
        super().__init_subclass__(**options)
        cls.__repr__ = Message.__repr__  # type: ignore[method-assign] # else dataclass writes one of all fields

    def __repr__(self) -> str:
        return f"<{self.TYPE or type(self).__name__}>"

    def value(self) -> dict[str, Any]:
        """The CBOR map's value, keys in order; raises MalformedBytes if a field breaks its declaration."""
        names, writes, _, writing = self._declared()
        fields = self.__dict__
        try:
            return {name: write(fields[name]) for name, write in writing}
        except MalformedBytes:
            self._find(writes, {name: fields[name] for name in names})
            raise

    def encode(self) -> bytes:
        """The one encoding."""
        return cbor.encode_ordered(self.value())

    def digest(self) -> bytes:
        """``H(TYPE, encoding)``, 32 bytes."""
        return digest(self.TYPE, self.encode())

    @classmethod
    def from_value(cls, value: Any) -> Self:
        """The message in a decoded map; raises MalformedBytes naming the field."""
        names, _, reads, _ = cls._declared()
        if not isinstance(value, dict) or tuple(value) != names:
            known = isinstance(value, dict) and value.keys() == set(names)
            why = "encoding is not deterministic" if known else "other fields than declared"
            raise MalformedBytes(message=cls.TYPE or cls.__name__, why=why)
        try:
            # Past the frozen constructor, which sets each field by a call: half of the time of a decoding.
            fields = {name: read(value[name]) for name, read in zip(names, reads, strict=True)}
            made = object.__new__(cls)
            made.__dict__.update(fields)
            return made
        except MalformedBytes:
            cls._find(reads, value)
            raise

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message that encodes to exactly these bytes; raises MalformedBytes otherwise."""
        return cls.from_value(cbor.decode_ordered(data, cls.MOST))

    @classmethod
    def example(cls) -> Self:
        """A message with every field set, for vectors and tests."""
        return cls(**{f.name: f.metadata["kind"].example() for f in cls._fields()})

    @classmethod
    def _fields(cls) -> tuple[dataclasses.Field[Any], ...]:
        return tuple(f for f in dataclasses.fields(cls) if "kind" in f.metadata)

    @classmethod
    def _declared(cls) -> _Declared:
        known = _DECLARED.get(cls)
        if known is None:
            fields = sorted(cls._fields(), key=lambda f: (len(f.name), f.name))
            kinds = [f.metadata["kind"] for f in fields]
            names, writes = tuple(f.name for f in fields), tuple(kind.write for kind in kinds)
            reads, writing = tuple(kind.read for kind in kinds), tuple(zip(names, writes, strict=True))
            known = _DECLARED[cls] = _Declared(names, writes, reads, writing)
        return known

    @classmethod
    def _find(cls, each: tuple[Callable[[Any], Any], ...], values: dict[str, Any]) -> None:
        """Raises MalformedBytes that names the field at fault."""
        for does, (name, value) in zip(each, values.items(), strict=True):
            try:
                does(value)
            except MalformedBytes as error:
                where = error.details.pop("field", None)
                raise MalformedBytes(
                    message=cls.TYPE or cls.__name__,
                    field=f"{name}.{where}" if where else name,
                    **{key: said for key, said in error.details.items() if key != "message"},
                ) from None
