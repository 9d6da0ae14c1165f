"""Every gold answer of the shared question sets, stated in five spellings, is correct.

No near miss of it is.

Reads ../shared/data where it lies beside the checkout, else the samples under tests/data.
"""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from storage.records import AnswerKind
from tasks.rules.answers.short_texts import plain_text
from tasks.rules.answers.verdicts import Case, Judgement, judged_quickly

ROOT = Path(__file__).parents[3]
SHARED, SAMPLES = ROOT.parent / "shared" / "data", ROOT / "tests" / "data" / "question_sets"
SETS = ("aqua_rat", "arc_challenge", "gsm8k", "strategyqa", "svamp")


@dataclass(frozen=True)
class Gold:
    """A question's reference answer."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: str
    kind: AnswerKind


def gold_answers(name: str) -> Iterator[Gold]:
    file = SHARED / f"{name}.jsonl.gz"
    if file.exists():
        text = gzip.decompress(file.read_bytes()).decode()
    else:
        text = (SAMPLES / f"{name}.jsonl").read_text("utf-8")
    for line in text.rstrip("\n").split("\n"):
        row = json.loads(line)
        yield Gold(
            row["id"],
            row["question"],
            tuple(row["choices"] or ()),
            row["answer"],
            row["answer_type"],
        )


def spellings(gold: Gold) -> list[str]:
    answer = gold.answer
    if gold.kind == "number":
        value = Fraction(answer)
        separated = f"{int(answer):,}" if value.denominator == 1 else answer
        return [
            f"The answer is {separated}.",
            f"#### {answer}",
            f"So \\boxed{{{answer}\\text{{ units}}}}.",
            f"Answer: ${answer}",
            f"The final answer is {value.numerator * 2}/{value.denominator * 2}",
        ]
    if gold.kind == "expression":
        top, bottom = answer.split("/")
        return [
            f"The answer is {answer}.",
            f"#### {answer}",
            f"\\boxed{{\\frac{{{top}}}{{{bottom}}}}}",
            f"Answer: {int(top) * 3}/{int(bottom) * 3}",
            f"The answer is {float(Fraction(answer))!r}",
        ]
    if gold.kind == "boolean":
        opposite = {"yes": "true", "no": "false"}[answer]
        return [
            f"The answer is {answer}.",
            f"Answer: {answer.upper()}",
            f"\\boxed{{\\text{{{answer.title()}}}}}",
            f"So the answer is {answer}, because no one would do yet more.",
            f"#### {opposite}",
        ]
    text = gold.choices[ord(answer) - ord("A")]
    return [
        f"The answer is {answer}.",
        f"Answer: ({answer}) {text}",
        f"\\boxed{{\\text{{{answer}}}}}",
        f"The correct option is {answer}: {text}",
        f"The answer is {text}",
    ]


def near_misses(gold: Gold) -> list[str]:
    if gold.kind in ("number", "expression"):
        value = Fraction(gold.answer)
        others = {
            value + 1,
            value - 1,
            -value,
            value * 10,
            value / 10,
            value / 100,
            value * 100,
            1 / value if value else value + 2,
        }
        return [f"The answer is {_decimal(other)}." for other in others if other != value]
    if gold.kind == "boolean":
        other = {"yes": "no", "no": "yes"}[gold.answer]
        return [
            f"The answer is {other}.",
            f"\\boxed{{{other}}}",
            "The answer is yes or no.",
            f"The answer is not {gold.answer}.",
        ]
    index = ord(gold.answer) - ord("A")
    wanted = plain_text(gold.choices[index], fold=False)
    # an option whose text is itself a letter cannot be stated by its text: it would be read as that
    # option's letter
    others = [
        i
        for i, text in enumerate(gold.choices)
        if plain_text(text, fold=False) != wanted and not re.fullmatch("[a-z]", plain_text(text))
    ]
    return [
        words
        for i in others
        for words in (
            f"The answer is {chr(65 + i)}.",
            f"The answer is {gold.answer}) {gold.choices[i]}",
            f"The answer is {gold.choices[i]}",
            f"The answer is {gold.answer} or {chr(65 + i)}.",
        )
    ]


def _decimal(value: Fraction) -> str:
    return (
        str(value) if value.denominator == 1 or 10**9 % value.denominator else f"{float(value):f}"
    )


def judgement(text: str, gold: Gold) -> Judgement:
    judged = judged_quickly(Case(text, gold.answer, gold.kind, gold.choices, "stop", gold.question))
    assert isinstance(judged, Judgement)
    return judged


@pytest.mark.parametrize("name", SETS)
def test_every_gold_answer_is_correct_in_five_spellings(name: str):
    refused = [
        (gold.id, text)
        for gold in gold_answers(name)
        for text in spellings(gold)
        if judgement(text, gold).verdict != "correct"
    ]

    assert refused == []


@pytest.mark.parametrize("name", SETS)
def test_no_near_miss_of_a_gold_answer_is_correct(name: str):
    accepted = [
        (gold.id, text)
        for gold in gold_answers(name)
        for text in near_misses(gold)
        if judgement(text, gold).verdict == "correct"
    ]

    assert accepted == []
