"""Random and mutated texts.

No exception, no hang, no verdict shifted to a neighbour; the long form is `make soak`.
"""

import random
import time
from dataclasses import replace

import pytest

from storage.records import ANSWER_KINDS, AnswerKind
from storage.views.reasons import REASONS
from tasks.rules.answers.verdicts import Case, judged_quickly
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
    return replace(
        case, text=text, answer_kind=kind, finish_reason=generator.choice(("stop", "length"))
    )


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


BEGINNINGS = (
    "",
    "The answer is ",
    "The answer is 12. ",
    "The answer is 12. However, ",
    "Answer:\n",
    "Answer: 5 apples were bought. ",
    "#### ",
    "\\boxed{",
    "\\boxed{12} ",
    "$\\boxed ",
    "<think>",
    "Answer:\n1. ",
    "The answer is (A) ",
    "The answer is $",
)
# what models and attackers write, apart by ¶
PIECES_OF_ATTACKS = (
    "a ¶B ¶7¶7 ¶1,¶1 000 ¶.5¶-¶- ¶+1¶/2¶(¶)¶[¶]¶{¶}¶\\¶\\frac¶\\frac{1}{¶\\sqrt{¶^¶^2¶_¶x¶x ¶=¶"
    " = ¶<¶>¶|¶$¶$$¶*¶**¶`¶```\n¶~¶#¶####¶\n¶\n\n¶\n- ¶\n1. ¶ ¶\t¶\u2028¶\xa0¶the ¶not ¶no ¶no, ¶"
    "wait ¶wait, ¶but ¶But ¶or ¶and ¶is ¶it is ¶it's ¶so ¶should be ¶if ¶answer ¶answer is ¶"
    "The answer is ¶Answer: ¶\\boxed{¶\\boxed ¶one ¶twenty-¶hundred and ¶half ¶a third ¶dozen ¶%¶"
    " percent¶\u20ac¶yes ¶true ¶un-¶n't ¶\xa6¶\u2026¶...¶?¶!¶:¶;¶,¶'¶\"¶<b>¶</think>¶<think>¶"
    "\\text{¶\\left(¶\\begin{align}¶\\end{align}¶5 of 3 ¶let me check ¶hmm ¶instead of 12 ¶"
    "not 12, ¶rather ¶maybe ¶1/¶1 1/2 ¶e9¶\u0663¶\xbd¶\xb2¶\uff19¶e\u0301"
)
WORDS = PIECES_OF_ATTACKS.split("¶")


def hostile(generator: random.Random, length: int) -> Case:
    """A text in which one or a few pieces come again and again, as patterns that try every way fear
    most.
    """
    parts = [generator.choice(WORDS) for _ in range(generator.choice((1, 1, 2, 2, 3, 5)))]
    if generator.random() < 0.3:
        body = "".join(generator.choices(parts, k=length // 3))
    else:
        piece = "".join(parts)
        body = piece * (length // len(piece) + 1)
    text = (
        generator.choice(BEGINNINGS)
        + body[:length]
        + generator.choice(("", ".", "}", "$", "\n", " 12.", "!", "x"))
    )
    reference = generator.choice(("12", "A", "yes", "x+1", "cat, dog", "1/2", body[:2000]))
    return Case(
        text,
        reference,
        generator.choice(ANSWER_KINDS),
        ("12", "cat"),
        generator.choice(("stop", "length")),
    )


def slow_ones(count: int, length: int, seed: int) -> list[tuple[float, Case]]:
    """Hostile texts over 2 s of this process's own work, which other work on the machine does not
    lengthen.
    """
    generator = random.Random(seed)
    slow: list[tuple[float, Case]] = []
    for _ in range(count):
        case = hostile(generator, length)
        began = time.process_time()
        judged_quickly(case)
        took = time.process_time() - began
        slow += [(took, replace(case, text=case.text[:80]))] if took > 2 else []
    return slow


def test_hostile_texts_are_judged_without_an_exception():
    slow_ones(150, length=2_000, seed=3)


@pytest.mark.parametrize(
    "piece",
    ["1+", "x-", "2*", "3/", "(1+", "{", "x^", "-", "\\sqrt ", "1<", "1,", "x", "\\frac1", "!"],
)
@pytest.mark.parametrize("kind", ["number", "expression"])
def test_a_formula_as_long_as_one_is_read_raises_nothing(piece: str, kind: AnswerKind):
    for length in (300, 990, 1_990):
        for end in ("", "1", "x"):
            text = (piece * length)[: length - 1] + end
            judged_quickly(Case(f"\\boxed{{{text}}}", "1", kind))
            judged_quickly(Case(f"The answer is ${text}$.", text + "+1", kind))


@pytest.mark.soak
def test_no_hostile_text_of_a_hundred_thousand_characters_takes_two_seconds():
    assert slow_ones(100_000, length=100_000, seed=4) == []


@pytest.mark.soak
def test_a_hundred_thousand_mutated_texts_harm_nobody():
    judge_fuzz(100_000, seed=1)
