"""Is there reasoning in a path, and does its answer come of it?

A path's text and its question in, a reason out.

A right answer alone says nothing of that: a model that was shown the answer, or whose plan had
solved the question, can state it without a step. The same rule holds for every method, in sampling
and in selection.
"""

import json
import re

from storage.records import Path, Question, Verdict
from tasks.rules.answers.stands_in import stands_in
from tasks.settings import SelectionSettings

# explained in storage/views/codes.toml
REFUSALS = ("cut", "no_work", "answer_not_reached")

# Where a text begins to state its answer: "so the answer is 8", "Final answer: 8" on its own line,
# "#### 8", "\\boxed{8}". Neither a search for it ("what the answer is") nor its explanation ("the
# answer is found by ...").
_STATEMENT = re.compile(
    r"(?:\b(?:so|the|our|my|final|correct)\s+)*(?<!what )(?<!what the )\banswer\b\**\s*"
    r"(?:=|is\b(?!\s+(?:found|given|obtained|calculated|computed|determined|the\s+(?:sum|product|difference))))"
    r"|^[^\w\n]{0,10}(?:final\s+)?answer[^\w\n]{0,3}:|####|\\boxed\s*\{",
    re.IGNORECASE | re.MULTILINE,
)
# "21.4" is whole; "So 3 + 4 = 7. The answer is 7." are two
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
# "Work:", "Solution:", begun for the model or by it
_LABEL = re.compile(r"^\s*[A-Za-z][A-Za-z ]{0,20}:")
_WORD = re.compile(r"\w+")
_LIST_MARK = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
# the result of a calculation: the word behind `=`
_AFTER_EQUALS = re.compile(r"=\s*(\S+)")


def work_of(text: str) -> str:
    """The text before the answer is stated, without a label in front; empty where there is none."""
    text = text.strip()
    stated = _STATEMENT.search(text)
    before = text[: stated.start()] if stated else text[: _last_sentence(text)]
    return _LABEL.sub("", before, count=1).strip()


def has_work(text: str, fewest: int) -> bool:
    """Whether so many words stand before the answer is stated."""
    return _has_words(work_of(text), fewest)


def _has_words(work: str, fewest: int) -> bool:
    return len(_WORD.findall(work)) >= fewest


def refusal_of_path(
    path: Path, verdict: Verdict | None, question: Question, settings: SelectionSettings
) -> str:
    """Why a path must not be trained on, whatever it answers; empty if it may.

    `cut`, `no_work` or `answer_not_reached`.

    The value that must stand in the work is the reference where the path reached it, else what the
    path itself states: paths that a vote chose, or that nobody verified, are held to the same.
    """
    if path.strategy == "reference":  # what a question set comes with, no text of a model
        return ""
    if is_cut(path) and not settings.accept_cut:
        return "cut"
    work = work_of(path.text)
    if not _has_words(work, settings.min_work_words):
        return "no_work"
    if verdict is not None and _was_restated(verdict) is False:
        return "answer_not_reached"
    if not settings.answer_in_work or question.answer_kind not in ("number", "expression"):
        return ""
    by_reference = (
        verdict is not None and verdict.verifier != "majority" and verdict.verdict == "correct"
    )
    values = (
        question.accepted_answers if by_reference else (verdict.extracted if verdict else None,)
    )
    stated = [value for value in values if value and value.strip()]
    reached = any(stands_in(work, value, question.answer_kind) for value in stated)
    return "" if reached or not stated else "answer_not_reached"


def _was_restated(verdict: Verdict) -> bool | None:
    """Whether the model stated the same answer from the work alone; None if it was not asked."""
    return json.loads(verdict.details).get("restated") if '"restated"' in verdict.details else None


def is_cut(path: Path) -> bool:
    """Whether the path's own text ended at its length limit, be it closed afterwards or not."""
    # null: a row from before schema 7
    return path.finish_reason == "length" if path.cut is None else path.cut


def states_reference(structure: str, question: Question) -> bool:
    """Whether a plan gives away its result; asked for numbers and expressions alone.

    A value that the question itself names gives nothing away. A result of one sign is looked for
    behind an equals sign only: "the two numbers" and "step 3" are no results.
    """
    return any(_gives_away(structure, question, one.strip()) for one in question.accepted_answers)


def _gives_away(structure: str, question: Question, reference: str) -> bool:
    kind = question.answer_kind
    if (
        kind not in ("number", "expression")
        or not reference
        or stands_in(question.text, reference, kind)
    ):
        return False
    if len(reference) > 1:
        return stands_in(_LIST_MARK.sub("", structure), reference, kind)
    return any(
        stands_in(match.group(1), reference, kind) for match in _AFTER_EQUALS.finditer(structure)
    )


def _last_sentence(text: str) -> int:
    """Where the last sentence, or the last line, begins."""
    ends = [match.end() for match in _SENTENCE.finditer(text)]
    return ends[-1] if ends else 0
