"""Verdicts: a text and its reference in, correct / wrong / unjudged with a reason out.

This is the pure half, exact and quick. What needs algebra comes out as `Pending`, for `tasks.verification` to put
before a worker process that can be killed.
"""

from dataclasses import dataclass
from functools import lru_cache

from storage.records import AnswerKind, Label
from tasks.rules.comparison import (
    AMBIGUOUS,
    BAD_REFERENCE,
    DIFFERS,
    EQUAL,
    NOT_AN_ANSWER,
    NOT_EVALUATED,
    Compared,
    Undecided,
)
from tasks.rules.equality_boolean import compare_booleans
from tasks.rules.equality_choice import compare_choices
from tasks.rules.equality_expression import compare_expressions, is_plain_fraction
from tasks.rules.equality_text import compare_texts
from tasks.rules.final_answer import NotStated, Stated, final_answer, last_value
from tasks.rules.numbers import NoNumber, Number, is_same_number, number_offered
from tasks.rules.spelling import plain

VERIFIER_VERSION = "3"
LONGEST_ANSWER = 4000
NO_NUMBER = {"ambiguous": AMBIGUOUS, "not_evaluated": NOT_EVALUATED, "not_an_answer": NOT_AN_ANSWER}


@dataclass(frozen=True)
class Case:
    """One text to judge against one reference answer."""

    text: str
    answer: str
    answer_kind: AnswerKind
    choices: tuple[str, ...] = ()
    finish_reason: str = "stop"
    question: str = ""


@dataclass(frozen=True)
class Judgement:
    """What the strict and the lenient reading make of a case; `reason` belongs to the strict one."""

    verdict: Label
    reason: str
    extracted: str | None
    lenient_verdict: Label
    lenient_extracted: str | None


@dataclass(frozen=True)
class Pending:
    """A case whose stated answer only algebra can compare."""

    undecided: Undecided
    extracted: str
    strict: bool


def judged_quickly(case: Case) -> Judgement | Pending:
    """The judgement of one case, or what algebra has to decide first."""
    if not case.answer.strip():
        return Judgement("unjudged", "no_reference", None, "unjudged", None)
    stated = final_answer(case.text, case.finish_reason)
    if isinstance(stated, Stated):
        compared = compare(stated, case)
        return (
            Pending(compared, stated.words, True) if isinstance(compared, Undecided) else _both(compared, stated.words)
        )
    return _leniently(case, stated)


def decided(pending: Pending, compared: Compared, case: Case) -> Judgement:
    """The judgement once algebra has decided."""
    if pending.strict:
        return _both(compared, pending.extracted)
    stated = final_answer(case.text, case.finish_reason)
    reason = stated.reason if isinstance(stated, NotStated) else "no_final_answer"
    return Judgement("unjudged", reason, None, compared.label, pending.extracted)


def compare(stated: Stated, case: Case) -> Compared | Undecided:
    """A stated answer against the case's reference, by its kind."""
    if len(stated.words) > LONGEST_ANSWER and len(stated.words) > 2 * len(case.answer):
        return NOT_AN_ANSWER
    if case.answer_kind == "number" or (case.answer_kind in ("expression", "text") and is_plain_fraction(case.answer)):
        return compare_numbers(stated.words, case.answer, case.question)
    if case.answer_kind == "choice":
        return compare_choices(stated, case.answer, case.choices)
    if case.answer_kind == "boolean":
        return compare_booleans(stated.words, case.answer, case.question)
    if case.answer_kind == "expression":
        return compare_expressions(stated.words, case.answer)
    return compare_texts(stated, case.answer)


def compare_numbers(words: str, reference: str, question: str = "") -> Compared | Undecided:
    """Equal values; a question that asks for dozens or millions takes them for the unit."""
    answer, wanted = number_offered(words), _reference_number(reference)
    if answer == "algebra" or wanted == "algebra":
        return Undecided(plain(words), plain(reference)) if len(words) + len(reference) < 2000 else NOT_AN_ANSWER
    if isinstance(wanted, str):
        return BAD_REFERENCE
    if isinstance(answer, Number):
        return EQUAL if is_same_number(answer, wanted) else _as_asked(words, question, wanted)
    return NO_NUMBER[answer]


@lru_cache(maxsize=4096)
def _reference_number(reference: str) -> Number | NoNumber:
    """Remembered, because a question has many paths."""
    return number_offered(reference)


def _as_asked(words: str, question: str, wanted: Number) -> Compared:
    asked = question.lower()
    for magnitude in ("dozen", "hundred", "thousand", "million", "billion"):
        if magnitude in words.lower() and (f"how many {magnitude}" in asked or f"in {magnitude}s" in asked):
            answer = number_offered(words.lower().replace(magnitude, ""))
            if isinstance(answer, Number) and is_same_number(answer, wanted):
                return EQUAL
    return DIFFERS


def _both(compared: Compared, words: str) -> Judgement:
    return Judgement(compared.label, compared.reason, words, compared.label, words)


def _leniently(case: Case, stated: NotStated) -> Judgement | Pending:
    value = last_value(case.text, case.answer_kind)
    if value is None:
        return Judgement("unjudged", stated.reason, None, "unjudged", None)
    compared = compare(Stated(value, value, False), case)
    if isinstance(compared, Undecided):
        return Pending(compared, value, False)
    return Judgement("unjudged", stated.reason, None, compared.label, value)
