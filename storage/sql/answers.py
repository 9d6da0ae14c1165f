"""How the process of a user's SQL answers: pieces of text or Arrow, then the end or an error.

A piece is small, so neither side ever holds a result as a whole. An answer that stops before its
end was cut off.
"""

import json
import struct
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from storage.store.arrow import ArrowBatch

# the kind of a piece, one byte
TEXT, ARROW, END, ERROR = b"T", b"A", b"Z", b"E"
LARGEST_ROW = 64 << 20
"""Bytes of one row of a CSV, JSON or Parquet answer; a table's cells are cut before."""
# a piece is whole in memory on both sides
_PIECE = 4 << 20
# an Arrow stream is a little larger than its row; a length beyond this is no length but a child
# that went wrong
_LARGEST_PIECE = 2 * LARGEST_ROW
# kind and length, big-endian
_HEAD = struct.Struct(">cI")


class CutOff(Exception):
    """The answer ended before its end."""


def send_text(answer: BinaryIO, text: str) -> None:
    """Text, in as many pieces as it takes."""
    data = text.encode("utf-8", "surrogatepass")
    for start in range(0, len(data), _PIECE):
        _send(answer, TEXT, data[start : start + _PIECE])


def send_rows(answer: BinaryIO, batch: ArrowBatch) -> None:
    """Rows as an Arrow stream of their own, with their schema and dictionaries."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    _send(answer, ARROW, sink.getvalue().to_pybytes())


def send_end(answer: BinaryIO, rows: int) -> None:
    """All is said; so many rows were in it."""
    _send(answer, END, json.dumps({"rows": rows}).encode())


def send_error(answer: BinaryIO, message: str) -> None:
    """Nothing more comes, and this is why."""
    _send(answer, ERROR, message.encode("utf-8", "replace"))


def received(answer: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The pieces in order, the end or an error last; raises CutOff where neither comes."""
    while True:
        head = answer.read(_HEAD.size)
        kind, length = _HEAD.unpack(head) if len(head) == _HEAD.size else (b"", _LARGEST_PIECE + 1)
        payload = answer.read(length) if length <= _LARGEST_PIECE else b""
        if len(payload) != length:
            raise CutOff
        yield kind, payload
        if kind in (END, ERROR):
            return


def pieces(batch: ArrowBatch) -> Iterator[ArrowBatch]:
    """The same rows in batches of few bytes; one that is a row alone may be larger."""
    waiting = [batch]
    while waiting:
        first = waiting.pop()
        if first.nbytes <= _PIECE or first.num_rows <= 1:
            yield first
            continue
        half = first.num_rows // 2
        waiting += [first.slice(half), first.slice(0, half)]


def _send(answer: BinaryIO, kind: bytes, payload: bytes) -> None:
    answer.write(_HEAD.pack(kind, len(payload)))
    answer.write(payload)
    answer.flush()
