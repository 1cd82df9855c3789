"""The RFC's presentation language as values: `uint(2)`, `opaque(1, 2**16 - 1)`, `vector(uint(2), 2, 254)`.

An atom makes, for one place in one message (a `Site`), a decoder and an encoder. A decoder takes the whole message, an
offset and the offset where the enclosing structure ends, and gives the value and the offset behind it: nothing is
sliced except the octets that become a value. Bounds are checked here and nowhere else; text of errors names the field.
What is too short, too long or left over raises DecodeError; a value of ours that does not fit its field raises
InternalError when it is encoded.

    data   [ ....... | len len | body body body body | ....... ]
                     ^ at      ^ start               ^ stop     <= end
"""

from collections.abc import Callable
from struct import error as StructError
from struct import pack, unpack_from
from typing import Any, Final

from .. import errors

Decode = Callable[[bytes, int, int], tuple[Any, int]]
Encode = Callable[[Any, bytearray], None]
_Span = Callable[[bytes, int, int], tuple[int, int]]


class Site:
    """A place in a message: its name for error texts, and the section that defines it."""

    __slots__ = ("label", "section")

    def __init__(self, label: str, section: str) -> None:
        self.label = label
        self.section = section

    def malformed(self, finding: str) -> errors.DecodeError:
        # RFC 9846 6: "Peers which receive a message which cannot be parsed according to the syntax (e.g., have a length
        # extending beyond the message boundary or contain an out-of-range length) MUST terminate the connection with a
        # "decode_error" alert."
        return errors.DecodeError(f"{self.label} {finding}", section=self.section)

    def cut_short(self) -> errors.DecodeError:
        return self.malformed("ends before its octets do")

    def unfit(self, finding: str) -> errors.InternalError:
        return errors.InternalError(f"{self.label} {finding}", section=self.section)


class Codec:
    """An element of the presentation language."""

    __slots__ = ()

    def decoder(self, site: Site) -> Decode:
        raise NotImplementedError

    def encoder(self, site: Site) -> Encode:
        raise NotImplementedError


class uint(Codec):
    """An unsigned integer of `octets` octets."""

    __slots__ = ("octets",)

    def __init__(self, octets: int) -> None:
        self.octets: Final = octets

    def decoder(self, site: Site) -> Decode:
        octets = self.octets

        def decode(data: bytes, at: int, end: int) -> tuple[int, int]:
            after = at + octets
            if after > end:
                raise site.cut_short()
            if octets == 2:
                return data[at] << 8 | data[at + 1], after
            return int.from_bytes(data[at:after], "big"), after

        return decode

    def encoder(self, site: Site) -> Encode:
        octets = self.octets

        def encode(value: int, out: bytearray) -> None:
            if not 0 <= value < 1 << 8 * octets:
                raise site.unfit(f"cannot hold {value}: it has {octets} octets")
            out += value.to_bytes(octets, "big")

        return encode


class fixed(Codec):
    """Exactly `octets` octets."""

    __slots__ = ("octets",)

    def __init__(self, octets: int) -> None:
        self.octets: Final = octets

    def decoder(self, site: Site) -> Decode:
        octets = self.octets

        def decode(data: bytes, at: int, end: int) -> tuple[bytes, int]:
            after = at + octets
            if after > end:
                raise site.cut_short()
            return data[at:after], after

        return decode

    def encoder(self, site: Site) -> Encode:
        octets = self.octets

        def encode(value: bytes, out: bytearray) -> None:
            if len(value) != octets:
                raise site.unfit(f"takes {octets} octets, not {len(value)}")
            out += value

        return encode


class rest(Codec):
    """Everything up to the end of the enclosing structure."""

    __slots__ = ("minimum",)

    def __init__(self, minimum: int = 0) -> None:
        self.minimum: Final = minimum

    def decoder(self, site: Site) -> Decode:
        minimum = self.minimum

        def decode(data: bytes, at: int, end: int) -> tuple[bytes, int]:
            if end - at < minimum:
                raise site.cut_short()
            return data[at:end], end

        return decode

    def encoder(self, site: Site) -> Encode:
        minimum = self.minimum

        def encode(value: bytes, out: bytearray) -> None:
            if len(value) < minimum:
                raise site.unfit(f"takes at least {minimum} octets, not {len(value)}")
            out += value

        return encode


def length_octets(maximum: int) -> int:
    """Octets of the length in front of a vector that may hold `maximum` octets (RFC 9846 3.4)."""
    return (maximum.bit_length() + 7) // 8


def span(site: Site, minimum: int, maximum: int) -> _Span:
    """A function that reads a length and gives where the body begins and ends."""
    prefix = length_octets(maximum)

    def read(data: bytes, at: int, end: int) -> tuple[int, int]:
        start = at + prefix
        if start > end:
            raise site.cut_short()
        if prefix == 2:
            length = data[at] << 8 | data[at + 1]
        elif prefix == 1:
            length = data[at]
        else:
            length = int.from_bytes(data[at:start], "big")
        stop = start + length
        if stop > end:
            raise site.malformed(f"claims {length} octets where {end - start} are left")
        if not minimum <= length <= maximum:
            raise site.malformed(f"has {length} octets; {minimum} to {maximum} are allowed")
        return start, stop

    return read


def enclose(site: Site, minimum: int, maximum: int, out: bytearray, start: int) -> None:
    """Put the length in front of what `out` holds since `start`, after checking its bounds."""
    length = len(out) - start
    if not minimum <= length <= maximum:
        raise site.unfit(f"would have {length} octets; {minimum} to {maximum} are allowed")
    out[start:start] = length.to_bytes(length_octets(maximum), "big")


class opaque(Codec):
    """Octets behind their length: opaque name<minimum..maximum>."""

    __slots__ = ("maximum", "minimum")

    def __init__(self, minimum: int, maximum: int) -> None:
        self.minimum: Final = minimum
        self.maximum: Final = maximum

    def decoder(self, site: Site) -> Decode:
        read = span(site, self.minimum, self.maximum)

        def decode(data: bytes, at: int, end: int) -> tuple[bytes, int]:
            start, stop = read(data, at, end)
            return data[start:stop], stop

        return decode

    def encoder(self, site: Site) -> Encode:
        minimum, maximum, prefix = self.minimum, self.maximum, length_octets(self.maximum)

        def encode(value: bytes, out: bytearray) -> None:
            if not minimum <= len(value) <= maximum:
                raise site.unfit(f"takes {minimum} to {maximum} octets, not {len(value)}")
            out += len(value).to_bytes(prefix, "big")
            out += value

        return encode


class vector(Codec):
    """Items behind their length in octets: Item name<minimum..maximum>. The value is a tuple."""

    __slots__ = ("item", "maximum", "minimum")

    def __init__(self, item: Codec, minimum: int, maximum: int) -> None:
        self.item: Final = item
        self.minimum: Final = minimum
        self.maximum: Final = maximum

    def decoder(self, site: Site) -> Decode:
        read = span(site, self.minimum, self.maximum)
        if isinstance(self.item, uint) and self.item.octets in (1, 2):
            return _numbers(site, read, self.item.octets)
        decode_item = self.item.decoder(site)

        def decode(data: bytes, at: int, end: int) -> tuple[tuple[Any, ...], int]:
            at, stop = read(data, at, end)
            items = []
            while at < stop:
                item, at = decode_item(data, at, stop)
                items.append(item)
            return tuple(items), stop

        return decode

    def encoder(self, site: Site) -> Encode:
        minimum, maximum = self.minimum, self.maximum
        if isinstance(self.item, uint) and self.item.octets in (1, 2):
            return _numbers_out(site, self.item.octets, minimum, maximum)
        encode_item = self.item.encoder(site)

        def encode(value: tuple[Any, ...], out: bytearray) -> None:
            start = len(out)
            for item in value:
                encode_item(item, out)
            enclose(site, minimum, maximum, out, start)

        return encode


def _numbers(site: Site, read: _Span, octets: int) -> Decode:
    """Decoder of a vector of one- or two-octet integers, in one call whatever their number."""

    def decode(data: bytes, at: int, end: int) -> tuple[tuple[int, ...], int]:
        start, stop = read(data, at, end)
        if octets == 1:
            return tuple(data[start:stop]), stop
        if (stop - start) & 1:
            raise site.malformed(f"has {stop - start} octets, which is no whole number of 2-octet items")
        return unpack_from(f">{(stop - start) >> 1}H", data, start), stop

    return decode


def _numbers_out(site: Site, octets: int, minimum: int, maximum: int) -> Encode:
    """Encoder of the same."""
    prefix, kind = length_octets(maximum), "BH"[octets - 1]

    def encode(value: tuple[int, ...], out: bytearray) -> None:
        length = octets * len(value)
        if not minimum <= length <= maximum:
            raise site.unfit(f"would have {length} octets; {minimum} to {maximum} are allowed")
        out += length.to_bytes(prefix, "big")
        try:
            out += pack(f">{len(value)}{kind}", *value)
        except StructError:
            raise site.unfit(f"has an item that does not fit {octets} octets") from None

    return encode
