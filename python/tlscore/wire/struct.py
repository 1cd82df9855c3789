"""Records with wire forms: a class whose fields carry atoms, compiled when it is first used.

`@struct("RFC 9846 4.3.8")` names the section; the annotations `Annotated[int, uint(2)]` are the grammar. The first
decode or encode of a class turns them into a list of decoders with the setters of their slots, and a list of encoders
with the names of the fields, so that importing this package compiles nothing. A field whose annotation is itself a
`Struct` needs no atom.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from ..record import Record
from .atoms import Codec, Decode, Encode, Site

S = TypeVar("S", bound="Struct")


class Struct(Record):
    """A record that has a wire form."""

    section: ClassVar[str] = ""

    def check_placed(self, message: str) -> None:
        """Rules that the grammar cannot say. Called after decoding, with the name of the message around the value."""


def struct(section: str) -> Callable[[type[S]], type[S]]:
    """Name the section that defines the class."""

    def name_section(cls: type[S]) -> type[S]:
        cls.section = section
        return cls

    return name_section


class nested(Codec):
    """A structure inside another one."""

    __slots__ = ("cls",)

    def __init__(self, cls: type[Struct]) -> None:
        self.cls = cls

    def decoder(self, site: Site) -> Decode:
        return decoder_of(self.cls)

    def encoder(self, site: Site) -> Encode:
        return encoder_of(self.cls)


def _fields(cls: type[Struct]) -> list[tuple[str, Codec, Site]]:
    """Name, codec and site of every field, in wire order."""
    notes: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        notes |= base.__annotations__
    found = []
    for name in cls._fields:
        note = notes[name]
        codec = nested(note) if isinstance(note, type) and issubclass(note, Struct) else note.__metadata__[0]
        found.append((name, codec, Site(f"{cls.__name__}.{name}", cls.section)))
    return found


def decoder_of(cls: type[Struct]) -> Decode:
    """The decoder of a class, compiled once."""
    known: Decode | None = cls.__dict__.get("_decoder")
    if known is not None:
        return known
    steps = [(codec.decoder(site), put) for (_, codec, site), put in zip(_fields(cls), cls._setters, strict=True)]
    decode = _compile(cls, steps)
    type.__setattr__(cls, "_decoder", staticmethod(decode))
    return decode


def _compile(cls: type[Struct], steps: list[tuple[Decode, Callable[[object, object], None]]]) -> Decode:
    """One decoder from those of the fields. Most extensions have one field or none: they go without the loop."""
    new = cls.__new__
    if not steps:
        empty = cls()
        return lambda data, at, end: (empty, at)
    if len(steps) == 1:
        step_only, put_only = steps[0]

        def decode_field(data: bytes, at: int, end: int) -> tuple[Struct, int]:
            made = new(cls)
            value, at = step_only(data, at, end)
            put_only(made, value)
            return made, at

        return decode_field

    def decode(data: bytes, at: int, end: int) -> tuple[Struct, int]:
        made = new(cls)
        for step, put in steps:
            value, at = step(data, at, end)
            put(made, value)
        return made, at

    return decode


def encoder_of(cls: type[Struct]) -> Encode:
    """The encoder of a class, compiled once."""
    known: Encode | None = cls.__dict__.get("_encoder")
    if known is not None:
        return known
    steps = [(name, codec.encoder(site)) for name, codec, site in _fields(cls)]

    def encode(value: Struct, out: bytearray) -> None:
        for name, step in steps:
            step(getattr(value, name), out)

    type.__setattr__(cls, "_encoder", staticmethod(encode))
    return encode


def decode_struct(cls: type[S], data: bytes) -> S:
    """Decode `data`, all of it, as one structure."""
    value, at = decoder_of(cls)(data, 0, len(data))
    if at != len(data):
        raise Site(cls.__name__, cls.section).malformed(
            f"is followed by {len(data) - at} octets that belong to nothing"
        )
    made: S = value
    return made


def encode_struct(value: Struct) -> bytes:
    out = bytearray()
    encoder_of(type(value))(value, out)
    return bytes(out)
