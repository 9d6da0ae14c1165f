"""Verdicts: a text and its references in, correct / wrong / unjudged with a reason out.

Three steps: where the answer is stated (`final_answer`), what is stated (a parser for each kind),
whether it equals a reference. This is the pure half, exact and quick. What needs algebra comes out
as `Pending`, for the verify step to put before a worker process that can be killed.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from storage.records import AnswerKind, Label
from tasks.rules.answers.booleans import compare_booleans
from tasks.rules.answers.choices import compare_choices
from tasks.rules.answers.compared import (
    AMBIGUOUS,
    BAD_REFERENCE,
    DIFFERS,
    EQUAL,
    NOT_AN_ANSWER,
    NOT_EVALUATED,
    Compared,
    Undecided,
)
from tasks.rules.answers.expressions import compare_expressions, compare_values, is_plain_fraction
from tasks.rules.answers.final_answer import NotStated, Stated, final_answer, last_value
from tasks.rules.answers.short_texts import compare_texts
from tasks.rules.answers.values.numbers import NoNumber, Number, is_same_number, number_offered

# Stored with each verdict, and part of its id: raise it with any change of the rules, so that old
# paths are judged again. docs/decisions.md says why.
VERIFIER_VERSION = "5"
# An answer this long that is also twice its reference is a solution, not a value.
LONGEST_ANSWER = 4000
# what `number_offered` says of words that are no number, as a reason that is stored
NO_NUMBER = {"ambiguous": AMBIGUOUS, "not_evaluated": NOT_EVALUATED, "not_an_answer": NOT_AN_ANSWER}
# more digits than are ever computed with: such a number is compared as it is written
LONG_DIGITS = re.compile(r"[-+]?[\d,]{3900,}")
# 5! in maths is 120, and so it is before the full stop of a sentence; as its last sign it is 5,
# said with joy
FACTORIAL = re.compile(r"[\w)}]!(?:\s*(?:\$|\\\)|\\\]|=)|\.(?!\.))")
# `How many dozens?` is answered by `3 dozen`, which is 3 and not 36
ASKED = "dozen hundred thousand lakh million crore billion quarter half third tenth"
ASKED_UNITS = tuple(ASKED.split())


@dataclass(frozen=True)
class Case:
    """One text to judge against a reference answer, or against several of which any counts."""

    text: str
    answer: str
    answer_kind: AnswerKind
    choices: tuple[str, ...] = ()
    finish_reason: str = "stop"
    question: str = ""
    also_accepted: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[str, ...]:
        """Every answer that counts as right."""
        return (self.answer, *self.also_accepted)


@dataclass(frozen=True)
class Judgement:
    """The strict and the lenient reading of a case; `reason` belongs to the strict one."""

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
    if not case.answer.strip() and not any(map(str.strip, case.also_accepted)):
        return Judgement("unjudged", "no_reference", None, "unjudged", None)
    stated = final_answer(case.text, case.finish_reason, case.answer_kind)
    if isinstance(stated, NotStated):
        return _leniently(case, stated)
    compared = NOT_AN_ANSWER if stated.denied else compare(stated, case)
    if isinstance(compared, Undecided):
        return Pending(compared, stated.words, True)
    return Judgement(compared.label, compared.reason, stated.words, compared.label, stated.words)


def decided(pending: Pending, compared: Compared, case: Case) -> Judgement:
    """The judgement once algebra has decided."""
    if pending.strict:
        return Judgement(
            compared.label, compared.reason, pending.extracted, compared.label, pending.extracted
        )
    stated = final_answer(case.text, case.finish_reason, case.answer_kind)
    reason = stated.reason if isinstance(stated, NotStated) else "no_final_answer"
    return Judgement("unjudged", reason, None, compared.label, pending.extracted)


def compare(stated: Stated, case: Case) -> Compared | Undecided:
    """Compare a stated answer with each of the case's references; equal to any is correct."""
    if not case.also_accepted:
        return _compare_with(stated, case.answer, case)
    found: list[Compared | Undecided] = []
    for reference in case.references:
        if reference.strip():
            found.append(_compare_with(stated, reference, case))
            if found[-1] == EQUAL:
                return EQUAL
    waiting = [one for one in found if isinstance(one, Undecided)]
    if waiting:
        return Undecided(
            waiting[0].answer, tuple(one for each in waiting for one in each.references)
        )
    return next((one for one in found if one != BAD_REFERENCE), BAD_REFERENCE)


def _compare_with(stated: Stated, reference: str, case: Case) -> Compared | Undecided:
    if len(stated.words) > LONGEST_ANSWER and len(stated.words) > 2 * len(reference):
        return NOT_AN_ANSWER
    kind = case.answer_kind
    if kind == "number" or (kind == "text" and is_plain_fraction(reference)):
        words = stated.words
        # `5!` is a factorial in a box or before more mathematics; in a sentence it may only be joy
        if "!" in words and (
            (stated.boxed and words.endswith("!")) or FACTORIAL.search(stated.line)
        ):
            return compare_values(stated.words, reference)
        return compare_numbers(stated.words, reference, case.question)
    if kind == "choice":
        return compare_choices(stated, reference, case.choices)
    if kind == "boolean":
        return compare_booleans(stated.words, reference, stated.lead)
    if kind == "expression":
        return compare_expressions(stated.words, reference)
    return compare_texts(stated, reference)


def compare_numbers(words: str, reference: str, question: str = "") -> Compared | Undecided:
    """Equal values; a question that asks for dozens or millions takes them for the unit."""
    if len(reference) > 3900 and LONG_DIGITS.fullmatch(reference.strip()):
        return (
            EQUAL
            if words.strip().replace(",", "") == reference.strip().replace(",", "")
            else DIFFERS
        )
    answer, wanted = number_offered(words), _reference_number(reference)
    if answer == "algebra" or wanted == "algebra":
        return compare_values(words, reference)
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
    asked, said = question.lower(), words.lower()
    for unit in ASKED_UNITS:
        if unit in said and (f"how many {unit}" in asked or f"in {unit}s" in asked):
            answer = number_offered(said.replace(unit, ""))
            if isinstance(answer, Number) and is_same_number(answer, wanted):
                return EQUAL
    return DIFFERS


def _leniently(case: Case, stated: NotStated) -> Judgement | Pending:
    value = last_value(case.text, case.answer_kind)
    if value is None:
        return Judgement("unjudged", stated.reason, None, "unjudged", None)
    compared = compare(Stated(value, value, False), case)
    if isinstance(compared, Undecided):
        return Pending(compared, value, False)
    return Judgement("unjudged", stated.reason, None, compared.label, value)
