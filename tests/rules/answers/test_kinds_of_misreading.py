"""A kind of misreading is closed by its generator: no text that is wrong by construction is
accepted.
"""

from random import Random

import pytest

from tasks.rules.answers.verdicts import Judgement, judged_quickly
from tests.rules.answers.made_texts import GENERATORS, Made


def accepted(made: Made) -> bool:
    judged = judged_quickly(made.case)
    assert isinstance(judged, Judgement)
    return judged.verdict == "correct"


def check(kind: str, count: int, seed: int) -> None:
    draw = Random(f"{kind} {seed}")
    texts = [GENERATORS[kind](draw) for _ in range(count)]

    false_accepts = [made.case for made in texts if not made.right and accepted(made)]
    refusals = [made.case for made in texts if made.right and not accepted(made)]

    assert false_accepts == []
    assert len(refusals) < 0.005 * count, refusals[:5]


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_hundred_texts_of_a_kind_are_read_as_they_were_made(kind: str):
    check(kind, 100, seed=1)


@pytest.mark.parametrize("kind", ["thoughts", "cut_off"])
def test_what_is_not_stated_is_unjudged_and_never_wrong(kind: str):
    draw = Random(kind)
    for _ in range(100):
        judged = judged_quickly(GENERATORS[kind](draw).case)
        assert isinstance(judged, Judgement)
        assert judged.verdict == "unjudged"


@pytest.mark.soak
@pytest.mark.parametrize("kind", GENERATORS)
def test_a_thousand_texts_of_a_kind_are_read_as_they_were_made(kind: str):
    check(kind, 1000, seed=2)
