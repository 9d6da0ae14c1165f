"""What became of each candidate, kept in some fifty bytes: a line has millions.

Candidates come one by one and leave without their texts; rows for the store go out in order of path
id.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from tasks.rules.training.selection import Candidate, Choice

KEPT = "kept"
# a path that nobody judged has no verdict; no hash is all zeros
_NO_VERDICT = bytes(16)


class Decision(NamedTuple):
    """One candidate: its path, the verdict that was used, and `kept` or why not."""

    path_id: UUID
    verdict_id: UUID | None
    draw: int
    hinted: bool
    reason: str


class Decisions:
    """One for each candidate, numbered by place as they come."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._draws = array("q")
        self._hinted = bytearray()
        # by place; empty for a candidate that nothing has refused so far
        self.reasons: list[str] = []

    @classmethod
    def of_choices(cls, choices: Sequence[Choice]) -> "Decisions":
        """Those of choices that were made at once."""
        decisions = cls()
        for choice in choices:
            decisions.add(choice.candidate, choice.reason)
        return decisions

    def add(self, candidate: Candidate, reason: str) -> None:
        """The decision on the next candidate."""
        path, verdict = candidate.path, candidate.verdict
        self._ids += path.id.bytes + (verdict.id.bytes if verdict else _NO_VERDICT)
        self._draws.append(path.draw)
        self._hinted.append(path.hinted)
        # a verdict's reason comes from the store, each time as a text of its own
        self.reasons.append(sys.intern(reason))

    @cached_property
    def _in_order(self) -> NDArray[np.int64]:
        # 16 bytes of the path before 16 of the verdict: sorted as text they are in order of path
        return np.argsort(np.frombuffer(self._ids, dtype="S32"))

    def __iter__(self) -> Iterator[Decision]:
        """In order of path id, once all have come."""
        for place in map(int, self._in_order):
            ids = bytes(self._ids[32 * place : 32 * place + 32])
            yield Decision(
                UUID(bytes=ids[:16]),
                None if ids[16:] == _NO_VERDICT else UUID(bytes=ids[16:]),
                self._draws[place],
                bool(self._hinted[place]),
                self.reasons[place],
            )

    def kept(self) -> Iterator[Decision]:
        """Those that are trained on."""
        return (one for one in self if one.reason == KEPT)
