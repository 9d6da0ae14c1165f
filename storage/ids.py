"""Deterministic 128-bit ids. A given thing is named by its content, a generated thing by its request.

Parts go through canonical JSON, so that equal parts give equal ids on every machine, and no two lists of
parts give the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from uuid import UUID

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), default=str
)  # made once: it costs as much as its use

Part = str | int | float | bool | None | UUID | Sequence["Part"] | Mapping[str, "Part"]


def content_id(kind: str, *parts: Part) -> UUID:
    """The id of a `kind` (a table's name) made of `parts`."""
    return UUID(bytes=hashlib.blake2b(canonical([kind, *parts]).encode(), digest_size=16).digest())


def canonical(part: object) -> str:
    """JSON with sorted keys, no blanks and ids as text; lone surrogates survive as escapes."""
    return _ENCODER.encode(part)


def seed_of(request_id: UUID) -> int:
    """A 31-bit sampling seed that depends on the id alone."""
    return int.from_bytes(request_id.bytes[:4], "big") & 0x7FFFFFFF
