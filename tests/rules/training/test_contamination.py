"""Training questions that are held-out questions, in the same words or others, are found; template
is not.
"""

import random
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.ids import content_id
from storage.records import Part, Question
from tasks.engines.procedural import drawn_questions
from tasks.rules.training.contamination import find_overlaps
from tasks.settings import load_settings

NOW = datetime(2025, 1, 1, tzinfo=UTC)
ROBE = (
    "A robe takes 2 bolts of blue fiber and half that much white fiber, and the tailor charges 14"
    " dollars for each bolt of fiber that goes into it. How many bolts in total does it take?"
)

WORDS = (("mill", "town"), ("river", "wood"), ("horse", "cart"))


def question(text: str, part: Part = "train", of: str = "made up") -> Question:
    return Question(
        id=content_id("questions", of, part, text),
        question_set_id=content_id("question_sets", of),
        source_row_id="1",
        part=part,
        draw=0,
        text=text,
        choices=[],
        answer="3",
        answer_kind="number",
        extra="{}",
        created_at=NOW,
    )


def is_found(text: str, held_out: str = ROBE) -> bool:
    return bool(find_overlaps([question(text)], [question(held_out, "gate")], 0.5))


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_questions_changes_nothing(chance: random.Random) -> None:
    """Texts come again with other choices: which is first does not say what is template."""
    told = "of which the man in the old story told us the"
    training = [
        replace(
            question(f"Which {chance.randrange(5)}?"),
            id=content_id("questions", number),
            choices=[" ".join(f"{chance.choice(words)} {told}" for words in WORDS)],
        )
        for number in range(12)
    ]
    held_out = [
        replace(one, part="gate", text="Which of all?", id=content_id("held out", one.id))
        for one in training[:3]
    ]
    found = find_overlaps(training, held_out, 0.5)
    chance.shuffle(training)

    again = find_overlaps(training, held_out, 0.5)

    assert again == found


def test_the_same_words_are_found_whatever_case_and_punctuation() -> None:
    assert is_found("what is 3 plus 4", "What is 3 plus 4?")


@pytest.mark.parametrize(
    "reworded",
    [
        ROBE.replace("A robe takes", "One robe needs"),
        ROBE.replace(
            "How many bolts in total does it take?", "In total, how many bolts are needed?"
        ),
        (
            "Half as much white fiber as blue fiber goes in a robe: 2 bolts of blue. For each bolt"
            " of fiber the tailor charges 14 dollars. How many bolts does it take in total?"
        ),
    ],
)
def test_a_reworded_question_is_found(reworded: str) -> None:
    assert is_found(reworded)


@pytest.mark.parametrize(
    "other",
    [
        "What is 3 plus 5?",
        (
            "A tailor sews 14 robes in 2 days. How many robes does the tailor sew in a week of 7"
            " days without any rest?"
        ),
    ],
)
def test_another_question_is_not_found(other: str) -> None:
    assert not is_found(other)


def test_the_overlap_names_the_pair_and_its_share() -> None:
    planted = question(ROBE)
    found = find_overlaps([planted, question("What is 1 plus 1?")], [question(ROBE, "final")], 0.5)
    assert {key: (value.held_out_id, value.share) for key, value in found.items()} == {
        planted.id: (question(ROBE, "final").id, 1.0)
    }


def test_words_common_to_a_set_do_not_count() -> None:
    asked = (
        "Please calculate with great care and all of your attention the sum of the two numbers {}"
        " and {} now."
    )
    pairs = [(first, first * 7 % 50 + 50) for first in range(40)]
    training = [question(asked.format(*pair)) for pair in pairs]
    held_out = [question(asked.format(first, first + 200), "gate") for first, _ in pairs]
    assert not find_overlaps(training, held_out, 0.5)


def test_how_many_questions_make_a_template_is_a_setting() -> None:
    asked = (
        "Please calculate with great care and all of your attention the sum of the two numbers {}"
        " and {} now."
    )
    training, held_out = [question(asked.format(1, 60))], [question(asked.format(2, 61), "gate")]
    assert find_overlaps(training, held_out, 0.5, template_questions=3)
    assert not find_overlaps(training, held_out, 0.5, template_questions=1)


@pytest.mark.parametrize("name", ["chain_sum", "products", "gcd", "letter_counting"])
def test_of_a_procedural_set_nearly_everything_is_kept(name: str) -> None:
    drawn = drawn_questions(name, load_settings().questions.difficulty.get(name, {}), 5)
    texts = sorted({one.text for one in islice(drawn, 600)})
    random.Random(1).shuffle(texts)
    training = [question(text, "train", name) for text in texts[: len(texts) // 2]]
    held_out = [question(text, "gate", name) for text in texts[len(texts) // 2 :]]
    assert len(find_overlaps(training, held_out, 0.5)) < 0.01 * len(training)


def test_no_questions_overlap_nothing() -> None:
    nothing: dict[UUID, object] = {}
    assert find_overlaps([], [], 0.5) == nothing
