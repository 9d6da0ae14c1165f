"""Deterministic 128-bit ids.

A given thing is named by its content, a generated thing by its request.

Parts go through canonical JSON, so that equal parts give equal ids on every machine, and no two
lists of parts give the same bytes.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any
from uuid import UUID

# made once: it costs as much as its use
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)

Part = str | int | float | bool | None | UUID | Sequence["Part"] | Mapping[str, "Part"]


def content_id(kind: str, *parts: Part) -> UUID:
    """The id of a `kind` (a table's name) made of `parts`."""
    # The kind first, so that equal parts in two tables have different ids. Written as a JSON list:
    # no two lists of parts have the same text, as they could when joined by a blank.
    text = ",".join([_WRITERS.get(type(part), canonical)(part) for part in (kind, *parts)])
    return UUID(bytes=hashlib.blake2b(f"[{text}]".encode(), digest_size=16).digest())


def content_id_of(pieces: Iterable[str]) -> UUID:
    """What `content_id` gives for a list of parts whose canonical JSON comes in pieces."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(piece.encode())
    return UUID(bytes=digest.digest())


def canonical(part: object) -> str:
    """JSON with sorted keys, no blanks and ids as text; lone surrogates survive as escapes."""
    return _ENCODER.encode(part)


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii,
    int: int.__repr__,
    bool: {False: "false", True: "true"}.__getitem__,
    UUID: lambda part: f'"{part}"',
}
"""What `canonical` gives, faster for the plain parts of which a store's ids are made by the
million.
"""


def seed_of(request_id: UUID) -> int:
    """A 31-bit sampling seed that depends on the id alone."""
    # 31 bits, because some servers read a seed as a signed 32-bit integer
    return int.from_bytes(request_id.bytes[:4], "big") & 0x7FFFFFFF
