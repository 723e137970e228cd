"""The compressions NRV2B, NRV2D and NRV2E with 32 bit little endian words, which UPX uses.

A stream mixes bits, taken from the top of 32 bit words, with whole bytes, each read where the stream stands. A set bit
announces a literal byte; everything else is a match: a distance and a length in variable-length codes. The methods
differ in these codes alone.
"""

from collections.abc import Callable

from scanning.errors import InvalidContentError

_LARGEST_OFFSET = 1 << 32


class _Stream:
    __slots__ = ("_bits", "_data", "_left", "_place")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self._bits = 0
        self._left = 0

    def bit(self) -> int:
        if not self._left:
            place = self._place
            self._bits = int.from_bytes(self._data[place : place + 4], "little")
            self._place = place + 4
            self._left = 32
        self._left -= 1
        return self._bits >> self._left & 1

    def byte(self) -> int:
        place = self._place
        self._place = place + 1
        return self._data[place]


def unpack_nrv2b(data: bytes, size: int) -> bytes:
    """Unpack `size` bytes. Raises `InvalidContentError` if the data gives others or fewer."""
    return _unpack(data, size, _distance_b, _length_b, 0xD00)


def unpack_nrv2d(data: bytes, size: int) -> bytes:
    """As `unpack_nrv2b`."""
    return _unpack(data, size, _distance_d, _length_d, 0x500)


def unpack_nrv2e(data: bytes, size: int) -> bytes:
    """As `unpack_nrv2b`."""
    return _unpack(data, size, _distance_d, _length_e, 0x500)


_Distance = Callable[[_Stream, int], tuple[int, int]]
"""Gives the distance (0: the end of the stream) and the first bit of the length, -1 if that is not known yet."""
_Length = Callable[[_Stream, int], int]


def _unpack(data: bytes, size: int, read_distance: _Distance, read_length: _Length, far: int) -> bytes:
    stream, out, distance = _Stream(data), bytearray(), 1
    bit, byte = stream.bit, stream.byte
    try:
        while len(out) <= size:
            while bit():
                out.append(byte())
            distance, first = read_distance(stream, distance)
            if not distance:
                break
            length = read_length(stream, first) + (distance > far) + 1
            start = len(out) - distance
            if start < 0 or length > size - len(out):
                raise InvalidContentError("a match in the packed data lies outside")
            if distance >= length:
                out += out[start : start + length]
            else:
                out += (out[start:] * (length // distance + 1))[:length]
    except IndexError as error:
        raise InvalidContentError("the packed data ends too early") from error
    if len(out) != size:
        raise InvalidContentError("the packed data gives another size than it says")
    return bytes(out)


def _distance_b(stream: _Stream, last: int) -> tuple[int, int]:
    bit, code = stream.bit, 1
    while True:
        code = code * 2 + bit()
        if bit():
            break
        _check(code)
    if code == 2:
        return last, -1
    return (_full(code, stream) + 1) % _LARGEST_OFFSET, -1


def _distance_d(stream: _Stream, last: int) -> tuple[int, int]:
    bit, code = stream.bit, 1
    while True:
        code = code * 2 + bit()
        if bit():
            break
        code = (code - 1) * 2 + bit()
        _check(code)
    if code == 2:
        return last, bit()
    code = _full(code, stream)
    if code == _LARGEST_OFFSET - 1:
        return 0, 0
    return (code >> 1) + 1, ~code & 1


def _full(code: int, stream: _Stream) -> int:
    return (code - 3) * 256 + stream.byte()


def _check(code: int) -> None:
    if code > _LARGEST_OFFSET:
        raise InvalidContentError("a number in the packed data is too large")


def _length_b(stream: _Stream, _first: int) -> int:
    return _length_d(stream, stream.bit())


def _length_d(stream: _Stream, first: int) -> int:
    return first * 2 + stream.bit() or _long(stream) + 2


def _length_e(stream: _Stream, first: int) -> int:
    if first:
        return 1 + stream.bit()
    if stream.bit():
        return 3 + stream.bit()
    return _long(stream) + 3


def _long(stream: _Stream) -> int:
    bit, length = stream.bit, 1
    while True:
        length = length * 2 + bit()
        if bit():
            return length
        _check(length)
