"""From judged paths to a training set: which are kept, and why each of the others is not.

Candidates come one by one; what the limits of a set need to know of each takes 89 bytes, for a line
has millions. The draw among equals depends on the seed and the path's id alone, so neither the
order of the rows nor the machine changes it.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from storage.ids import content_id
from storage.records import Path, Question, Verdict
from tasks.rules.training.acceptance import refusal_of_path
from tasks.settings import SelectionSettings

# A line that begins with "1." or "1)" and a blank: "21.4" or "1.5" is no list.
NUMBERED_LIST = re.compile(r"^[ \t]*1[.)][ \t]", re.MULTILINE)
BOXED = re.compile(r"\\boxed\s*\{")
BLANKS = re.compile(r"\s+")
# ids and digests; S is ordered and compared as bytes, and no two of 16 bytes are equal but for it
_ROW = np.dtype(
    {
        "names": ["place", "path", "question", "text", "set", "answer", "hinted"],
        # a text is a repetition where its question has it already: both together, 32 bytes
        "formats": ["<i8", "S16", "S16", "S32", "S16", "S16", "?"],
        "offsets": [0, 8, 24, 24, 56, 72, 88],
    }
)
Rows = NDArray[Any]


@dataclass(frozen=True)
class Candidate:
    """A path that may be trained on, its verdict (None where it was not judged), its question."""

    path: Path
    verdict: Verdict | None
    question: Question
    # what the model said of its own path; None where it was not asked
    self_check: bool | None = None


@dataclass(frozen=True)
class Choice:
    """What became of a candidate."""

    candidate: Candidate
    kept: bool
    reason: str


def where_hints_were_due(
    candidates: Sequence[Candidate], settings: SelectionSettings
) -> list[Candidate]:
    """The candidates without hinted paths of questions that a free one of them solved.

    Pools of one draw share their paths: the hinted ones of a pool of fewer chains, or of one that
    hints every question, lie among those of a pool whose own free chains needed no hint.
    """
    solved = {
        one.question.id
        for one in candidates
        if not one.path.hinted
        and one.verdict is not None
        and one.verdict.verdict == "correct"
        and not refusal_of_path(one.path, one.verdict, one.question, settings)
    }
    return [one for one in candidates if not (one.path.hinted and one.question.id in solved)]


class Passed:
    """The candidates that nothing in themselves refuses, without their texts."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, place: int, candidate: Candidate) -> None:
        """The candidate at this place among all candidates."""
        path, question = candidate.path, candidate.question
        own_set, answer = question.question_set_id.bytes, bytes(16)
        if question.answer_kind in ("choice", "boolean"):
            answer = _digest(own_set, question.answer.strip().casefold())
        self._bytes += place.to_bytes(8, "little") + path.id.bytes + question.id.bytes
        self._bytes += _digest(b"", normalised(path.text)) + own_set + answer
        self._bytes.append(path.hinted)

    def rows(self) -> Rows:
        """A row for each, once all have come."""
        return np.frombuffer(self._bytes, _ROW)


def beyond_limits(
    passed: Rows, settings: SelectionSettings, seed: int, count: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Reason -> places of those beyond the limits of a set; `count` is the most kept, 0 for any.

    Free paths come before hinted ones, so that a hint is used only where nothing else taught the
    question.
    """
    ids = passed["path"].tobytes()
    ranks = np.frombuffer(
        b"".join(
            rank(seed, UUID(bytes=ids[start : start + 16])) for start in range(0, len(ids), 16)
        ),
        "S16",
    )
    beyond: dict[str, NDArray[np.int64]] = {}

    def leave_out(reason: str, gone: NDArray[np.bool_]) -> None:
        nonlocal kept, ranks
        beyond[reason] = kept["place"][gone]
        kept, ranks = kept[~gone], ranks[~gone]

    in_turn = np.lexsort((ranks, passed["hinted"]))
    kept, ranks = passed[in_turn], ranks[in_turn]
    # Each limit counts what the one before it left: first per question, then in all, then the share
    # of hinted paths, then the balance of answers. Another order would keep fewer than it may.
    leave_out("duplicate", _earlier(kept["text"]) > 0)
    leave_out("over_keep", _earlier(kept["question"]) >= settings.keep_per_question)
    if count:
        in_turn = np.argsort(ranks)
        kept, ranks = kept[in_turn], ranks[in_turn]
        leave_out("over_count", np.arange(len(kept)) >= count)
    leave_out("over_hinted_share", _over_hinted_share(kept["hinted"], settings.max_hinted_share))
    leave_out("over_answer_ratio", _over_answer_ratio(kept, settings.max_answer_ratio))
    return beyond


def refusal(
    candidate: Candidate,
    settings: SelectionSettings,
    leaks: Callable[[Candidate], bool] = lambda candidate: False,
) -> str:
    """Why this path alone cannot be trained on; empty if it can."""
    path, verdict = candidate.path, candidate.verdict
    if not path.text.strip():
        return "empty_text"
    if settings.accept != "any":
        if verdict is None:
            return "not_judged_yet"
        if verdict.verdict != "correct":
            return verdict.reason
    if refused := refusal_of_path(path, verdict, candidate.question, settings):
        return refused
    if candidate.self_check is False:
        return "self_check_no"
    if settings.max_path_tokens and path.completion_tokens > settings.max_path_tokens:
        return "over_length"
    if settings.require_boxed and not BOXED.search(path.text):
        return "not_boxed"
    if settings.require_numbered_list and not NUMBERED_LIST.search(path.text):
        return "no_numbered_list"
    return "mentions_given_answer" if path.hinted and leaks(candidate) else ""


def rank(seed: int, path_id: UUID) -> bytes:
    """A path's place in the seeded draw: equal seeds give equal orders, whatever else is there."""
    return content_id("selection_rank", seed, path_id).bytes


def normalised(text: str) -> str:
    """The text by which exact duplicates are known: case and blanks do not count."""
    return BLANKS.sub(" ", text).strip().casefold()


def _digest(before: bytes, text: str) -> bytes:
    # half of a surrogate pair, which a model can write, has no bytes of its own
    own = text.encode(errors="surrogatepass")
    return hashlib.blake2b(before + own, digest_size=16).digest()


def _earlier(keys: Rows) -> NDArray[np.int64]:
    """For each key, how many equal ones stand before it."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    own = np.repeat(starts, np.diff(starts, append=len(keys)))
    earlier = np.empty(len(keys), np.int64)
    earlier[order] = np.arange(len(keys)) - own
    return earlier


def _over_hinted_share(hinted: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """Hinted paths above `share` of what stays: hinted <= share * (free + hinted)."""
    free = len(hinted) - int(hinted.sum())
    # solved for hinted; 1e-9 because 0.12 * 22 / 0.88 is 2.9999999999999996 in floats
    allowed = len(hinted) if share >= 1 else int(share * free / (1 - share) + 1e-9)
    return hinted & (np.cumsum(hinted) > allowed)


def _over_answer_ratio(kept: Rows, ratio: float) -> NDArray[np.bool_]:
    """Examples of one answer beyond `ratio` for each of the rarest answer of their set.

    An answer that no example of the set has does not count: it would leave nothing.
    """
    gone = np.zeros(len(kept), bool)
    is_one_of_few = kept["answer"] != b""
    if not ratio or not is_one_of_few.any():
        return gone
    earlier = _earlier(kept["answer"])
    for own_set in np.unique(kept["set"][is_one_of_few]):
        own = is_one_of_few & (kept["set"] == own_set)
        rarest = np.unique(kept["answer"][own], return_counts=True)[1].min()
        gone |= own & (earlier >= max(1, int(ratio * rarest + 1e-9)))
    return gone
