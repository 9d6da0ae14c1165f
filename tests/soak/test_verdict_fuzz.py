"""Random and mutated texts: no exception, no hang, no verdict shifted to a neighbour; the long form is `make soak`."""

import random
from dataclasses import replace

import pytest

from storage.records import ANSWER_KINDS
from storage.views.reasons import REASONS
from tasks.rules.answers.verdicts import Case
from tasks.settings import VerificationSettings
from tasks.verification.verify_paths import Judge
from tests.rules.answers.labelled import labelled_cases

PIECES = (
    "The answer is ",
    "\\boxed{",
    "}",
    "{",
    "####",
    "Answer:",
    "\\frac{1}{2}",
    "\\text{",
    "1,234",
    "-5",
    "5.09",
    "%",
    "$",
    "yes",
    "no",
    "not ",
    "(B)",
    "A",
    "or",
    "and",
    "=",
    "^",
    "½",
    "²",
    "\n",
    " ",
    "\ud800",
    "\u202e",
    "\x00",
    "9" * 50,
    "1e999",
    "\\",
    "\\left(",
    "[0,1)",
    "x^2",
    "\\sqrt",
    "i.e.",
    "because",
    "dozen",
    "million",
    "٣",
    "Ａ",
    "e\u0301",
    "((((",
    "))))",
    "**",
    "`",
    "~",
)
SENTINELS = (Case("The answer is 42.", "42", "number"), Case("The answer is 41.", "42", "number"))


def mutated(generator: random.Random, seeds: list[Case]) -> Case:
    case = generator.choice(seeds)
    text = case.text if generator.random() < 0.7 else ""
    for _ in range(generator.randint(1, 6)):
        place = generator.randint(0, len(text))
        piece = generator.choice(PIECES) * generator.choice((1, 1, 1, 2, 40))
        keep = place + generator.choice((0, 0, 1, 3, 10))
        text = text[:place] + (piece if generator.random() < 0.8 else "") + text[keep:]
    kind = case.answer_kind if generator.random() < 0.9 else generator.choice(ANSWER_KINDS)
    return replace(case, text=text, answer_kind=kind, finish_reason=generator.choice(("stop", "length")))


def judge_fuzz(count: int, seed: int) -> None:
    generator = random.Random(seed)
    seeds = [one.case for one in labelled_cases() if "2003" not in one.case.text]
    with Judge(VerificationSettings(deadline_seconds=2.0)) as judge:
        for start in range(0, count, 1000):
            cases = [mutated(generator, seeds) for _ in range(min(1000, count - start))]
            between = [one for case in cases for one in (case, *SENTINELS)]
            judgements = judge.judge(between)
            assert len(judgements) == len(between)
            assert {one.verdict for one in judgements[1::3]} == {"correct"}
            assert {one.verdict for one in judgements[2::3]} == {"wrong"}
            assert all(one.reason in REASONS for one in judgements)
            assert all(one.extracted is not None for one in judgements if one.verdict != "unjudged")


def test_a_thousand_mutated_texts_harm_nobody():
    judge_fuzz(1_000, seed=20260101)


@pytest.mark.soak
def test_a_hundred_thousand_mutated_texts_harm_nobody():
    judge_fuzz(100_000, seed=1)
