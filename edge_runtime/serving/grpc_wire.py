"""A request over gRPC, taken apart on the wire before anything of it is unpacked: two bytes there can become hundreds
in memory, and unpacking is one call that nothing can interrupt.

What is small and manifold, the head, is left to Protocol Buffers; the values of tensors stay where they came until a
worker reads them. The numbers are those of the Open Inference Protocol's ``ModelInferRequest``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.serving.tensors import BYTES, text_cost

WORTH_COUNTING = 4096
"""A message up to this size cannot become much, and is all head."""
MAX_ENTRIES = 16_384
"""Tensors, raw contents, parameters, sizes of shapes."""
MAX_HEAD_BYTES = 256 * 1024
"""All but the values of the inputs."""
MAX_CONTENTS_BYTES = 8 * 2**20
"""Values in ``contents``, of all inputs; as in JSON over HTTP."""
HEAD_COST = 256
"""Bytes that one byte of a head takes at most: two are enough for a tensor or a parameter without a name."""
NUMBER_COST = 8
"""The same of a packed number when it is read."""
STEP_BYTES, STEP_COST = 16 * 1024, 64
"""Packed numbers are unpacked so many bytes at a time, each of which takes so many meanwhile."""
INPUTS, OUTPUTS, RAW_CONTENTS = 5, 6, 7
DATATYPE, CONTENTS = 2, 5
"""Of an input."""
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""How a field is written."""
_TEXT = BYTES.encode()
_OCTETS = (b"BOOL", b"INT8", b"UINT8")
_LONGEST_DATATYPE = 6
_NO_REQUEST = "This is no ModelInferRequest."


@dataclass(slots=True)
class Bulk:
    """The values of a request's inputs, still as bytes."""

    raw: list[bytes | memoryview]
    contents: list[list[bytes | memoryview]]
    """Of each input its ``contents``, which may come in pieces; none: it has none."""


@dataclass(frozen=True, slots=True)
class Question:
    """A message that has come and is not unpacked."""

    size: int
    charge: int
    """The most bytes that it takes, its own among them, until the model has been run."""
    head: bytes
    """For Protocol Buffers to read."""
    bulk: Bulk | None = None
    """None: it is in the head."""


def take_apart(body: bytes) -> Question:
    """:raises InputInvalid: a ModelInferRequest of far too many parts, or none at all."""
    if len(body) <= WORTH_COUNTING:
        return Question(len(body), len(body) * (HEAD_COST + 1), body)
    view = memoryview(body)
    head: list[bytes | memoryview] = []
    raw: list[bytes | memoryview] = []
    contents: list[list[bytes | memoryview]] = []
    datatypes: list[bytes] = []
    entries = head_bytes = contents_bytes = 0

    def count(size: int) -> None:
        """One more entry, which has so many bytes besides values."""
        nonlocal entries, head_bytes
        entries += 1
        head_bytes += size
        if entries > MAX_ENTRIES:
            raise InputInvalid(f"The request has more than {MAX_ENTRIES} tensors, parameters and sizes.")
        if head_bytes > MAX_HEAD_BYTES:
            raise InputInvalid(f"The request has more than {MAX_HEAD_BYTES} bytes besides the values of its inputs.")

    for number, kind, begin, start, end in fields(view):
        if kind == LENGTH and number == RAW_CONTENTS:
            count(start - begin)
            raw.append(view[start:end])
        elif kind == LENGTH and number == INPUTS:
            count(start - begin)
            rest: list[memoryview] = []
            mine: list[bytes | memoryview] = []
            datatype = b""
            tensor = view[start:end]
            for inner, how, first, place, last in fields(tensor):
                if how == LENGTH and inner == CONTENTS:
                    count(place - first)
                    mine.append(tensor[place:last])
                    contents_bytes += last - place
                else:
                    count(last - first)
                    rest.append(tensor[first:last])
                    if how == LENGTH and inner == DATATYPE:
                        datatype = bytes(tensor[place : min(last, place + _LONGEST_DATATYPE)])
            head += [_INPUT, varint(sum(map(len, rest))), *rest]
            contents.append(mine)
            datatypes.append(datatype)
        else:
            if kind == LENGTH and number == OUTPUTS:
                for _, _, first, _, last in fields(view[start:end]):
                    count(last - first)
            count(end - begin)
            head.append(view[begin:end])
    if contents_bytes > MAX_CONTENTS_BYTES:
        raise InputInvalid(f"The inputs have more than {MAX_CONTENTS_BYTES} bytes of contents: send them raw.")
    charge = len(body) + HEAD_COST * head_bytes
    # Where their numbers differ the request is refused before any of them is read.
    charge += sum(_raw_cost(datatype, len(values)) for datatype, values in zip(datatypes, raw, strict=False))
    charge += sum(_contents_cost(sum(map(len, pieces))) for pieces in contents)
    return Question(len(body), charge, b"".join(head), Bulk(raw, contents))


def _raw_cost(datatype: bytes, size: int) -> int:
    """What so many raw bytes take besides."""
    if datatype == _TEXT:
        return text_cost(size)
    # They are used where they are, or copied where the message has them at a place that is odd for their size.
    return 0 if datatype in _OCTETS else size


def _contents_cost(size: int) -> int:
    return max(NUMBER_COST * size + STEP_COST * min(size, STEP_BYTES), text_cost(size))


def fields(body: memoryview) -> Iterator[tuple[int, int, int, int, int]]:
    """Of each field its number, how it is written, where it begins, and where its content begins and ends.

    :raises InputInvalid: these are none.
    """
    place, end = 0, len(body)
    while place < end:
        begin = place
        tag, place = _read_varint(body, place)
        kind = tag & 7
        if kind == VARINT:
            start = place
            _, place = _read_varint(body, place)
        elif kind == FIXED64:
            start, place = place, place + 8
        elif kind == LENGTH:
            size, start = _read_varint(body, place)
            place = start + size
        elif kind == FIXED32:
            start, place = place, place + 4
        else:
            raise InputInvalid(_NO_REQUEST)
        if place > end:
            raise InputInvalid(_NO_REQUEST)
        yield tag >> 3, kind, begin, start, place


def varint(number: int) -> bytes:
    """Seven bits to a byte, the lowest first; all but the last have the eighth."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


_INPUT = varint(INPUTS << 3 | LENGTH)


def _read_varint(body: memoryview, place: int) -> tuple[int, int]:
    """A number, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(body):
            break
        byte = body[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise InputInvalid(_NO_REQUEST)
