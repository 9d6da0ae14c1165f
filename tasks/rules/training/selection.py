"""From judged paths to a training set: which are kept, and why each of the others is not.

Candidates in, one choice each out, in the candidates' order. The draw among equals depends on the
seed and the path's id alone, so neither the order of the rows nor the machine changes it.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from storage.ids import content_id
from storage.records import Path, Question, Verdict
from tasks.rules.training.acceptance import refusal_of_path
from tasks.settings import SelectionSettings

# A line that begins with "1." or "1)" and a blank: "21.4" or "1.5" is no list.
NUMBERED_LIST = re.compile(r"^[ \t]*1[.)][ \t]", re.MULTILINE)
BOXED = re.compile(r"\\boxed\s*\{")
BLANKS = re.compile(r"\s+")


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


class Passed(NamedTuple):
    """A candidate that may be kept, as far as the limits of a set look at it: without its texts."""

    place: int
    """Its place among the candidates."""
    path_id: UUID
    question_id: UUID
    hinted: bool
    text: bytes
    """Digest of its normalised text."""
    answer: tuple[UUID, str] | None
    """Question set and answer of a question of choice or yes/no."""


def select_paths(
    candidates: Sequence[Candidate],
    settings: SelectionSettings,
    seed: int,
    *,
    refused: Mapping[UUID, str] | None = None,
    leaks: Callable[[Candidate], bool] = lambda candidate: False,
    count: int = 0,
) -> list[Choice]:
    """One choice per candidate.

    `refused`: path id -> reason found elsewhere; `count`: most kept in all, 0 for no limit.
    """
    reasons = [
        (refused or {}).get(candidate.path.id) or refusal(candidate, settings, leaks)
        for candidate in candidates
    ]
    passed = [
        as_passed(place, candidate)
        for place, candidate in enumerate(candidates)
        if not reasons[place]
    ]
    beyond = beyond_limits(passed, settings, seed, count)
    return [
        Choice(candidate, kept=not reason, reason=reason or "kept")
        for candidate, reason in (
            (candidate, reasons[place] or beyond.get(place, ""))
            for place, candidate in enumerate(candidates)
        )
    ]


def as_passed(place: int, candidate: Candidate) -> Passed:
    """What the limits of a set need to know of a candidate."""
    path, question = candidate.path, candidate.question
    # half of a surrogate pair, which a model can write, has no bytes of its own
    text = normalised(path.text).encode(errors="surrogatepass")
    answer = (
        (question.question_set_id, question.answer.strip().casefold())
        if question.answer_kind in ("choice", "boolean")
        else None
    )
    digest = hashlib.blake2b(text, digest_size=16).digest()
    return Passed(place, path.id, question.id, path.hinted, digest, answer)


def beyond_limits(
    passed: Sequence[Passed], settings: SelectionSettings, seed: int, count: int = 0
) -> dict[int, str]:
    """Place -> reason of those beyond the limits of a set; `count` is the most kept, 0 for any.

    Free paths come before hinted ones, so that a hint is used only where nothing else taught the
    question.
    """
    ranked = sorted(passed, key=lambda one: (one.hinted, rank(seed, one.path_id)))
    # Each limit counts what the one before it left: first per question, then in all, then the share
    # of hinted paths, then the balance of answers. Another order would keep fewer than it may.
    reasons = _over_question(ranked, settings.keep_per_question)
    kept = [one for one in ranked if one.place not in reasons]
    if count:
        in_turn = sorted(kept, key=lambda one: rank(seed, one.path_id))
        reasons |= {one.place: "over_count" for one in in_turn[count:]}
        kept = in_turn[:count]
    reasons |= _over_hinted_share(kept, settings.max_hinted_share)
    kept = [one for one in kept if one.place not in reasons]
    return reasons | _over_answer_ratio(kept, settings.max_answer_ratio)


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


def _over_question(ranked: Sequence[Passed], keep: int) -> dict[int, str]:
    """Reasons for exact duplicates and for what is beyond `keep` paths of a question."""
    seen: set[tuple[UUID, bytes]] = set()
    taken: Counter[UUID] = Counter()
    reasons: dict[int, str] = {}
    for one in ranked:
        key = (one.question_id, one.text)
        if key in seen:
            reasons[one.place] = "duplicate"
        elif taken[one.question_id] >= keep:
            reasons[one.place] = "over_keep"
        else:
            taken[one.question_id] += 1
        seen.add(key)
    return reasons


def _over_hinted_share(kept: Sequence[Passed], share: float) -> dict[int, str]:
    """Reasons for hinted paths above `share` of what stays: hinted <= share * (free + hinted)."""
    hinted = [one for one in kept if one.hinted]
    free = len(kept) - len(hinted)
    # solved for hinted; 1e-9 because 0.12 * 22 / 0.88 is 2.9999999999999996 in floats
    allowed = len(hinted) if share >= 1 else int(share * free / (1 - share) + 1e-9)
    return {one.place: "over_hinted_share" for one in hinted[allowed:]}


def _over_answer_ratio(kept: Sequence[Passed], ratio: float) -> dict[int, str]:
    """Reasons for examples of one answer beyond `ratio` for each of the rarest answer.

    An answer that no example of the set has does not count: it would leave nothing.
    """
    if not ratio:
        return {}
    by_answer: defaultdict[UUID, defaultdict[str, list[Passed]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for one in kept:
        if one.answer is not None:
            question_set, answer = one.answer
            by_answer[question_set][answer].append(one)
    reasons: dict[int, str] = {}
    for answers in by_answer.values():
        most = max(1, int(ratio * min(map(len, answers.values())) + 1e-9))
        beyond = [one for same in answers.values() for one in same[most:]]
        reasons |= {one.place: "over_answer_ratio" for one in beyond}
    return reasons
