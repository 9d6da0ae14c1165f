"""The vote of a question's paths where there is no reference."""

import pytest

from tasks.rules.answers.majority import majority_vote
from tests.rules.answers.labelled import labelled_cases


def said(*answers: str) -> list[tuple[str, str]]:
    return [(f"The answer is {answer}.", "stop") for answer in answers]


def test_equal_answers_vote_together_however_they_are_spelled():
    vote = majority_vote(said("1/2", "0.5", "\\frac{1}{2}", "2"), "number")

    assert vote.labels == ["correct", "correct", "correct", "wrong"]
    assert (vote.share, vote.margin) == (0.75, 0.5)
    assert vote.reasons == ["majority", "majority", "majority", "minority"]


def test_a_path_without_an_answer_has_no_vote():
    vote = majority_vote(
        [*said("5", "5", "5", "5"), ("So five.", "stop"), ("The answer is", "length")], "number"
    )

    assert vote.labels == ["correct"] * 4 + ["unjudged"] * 2
    assert vote.share == 1.0
    assert vote.entropy == 0.0


@pytest.mark.parametrize("answers", [("1", "1", "2", "2"), ("1", "2", "3", "4"), ("1", "1", "1")])
def test_ties_thin_shares_and_too_few_paths_elect_nobody(answers: tuple[str, ...]):
    vote = majority_vote(said(*answers), "number")

    assert vote.winner is None
    assert set(vote.reasons) == {"no_majority"}


def test_a_letter_and_its_option_vote_together():
    vote = majority_vote(
        said("A", "dry palms", "(A) dry palms", "B"), "choice", ("dry palms", "wet palms")
    )

    assert vote.labels == ["correct", "correct", "correct", "wrong"]


def test_yes_and_true_vote_together():
    assert majority_vote(said("yes", "true", "Yes, it is", "no"), "boolean").labels == [
        "correct"
    ] * 3 + ["wrong"]


def test_two_values_in_one_answer_are_no_vote():
    vote = majority_vote(said("5 or 6", "5", "5", "5", "5"), "number")

    assert vote.labels[0] == "wrong"
    assert vote.share == 1.0


def test_no_text_breaks_a_vote():
    for kind in ("number", "choice", "boolean", "text", "expression"):
        rows = [one.case for one in labelled_cases() if one.case.answer_kind == kind][:60]
        vote = majority_vote(
            [(case.text, case.finish_reason) for case in rows], kind, rows[0].choices
        )
        assert len(vote.labels) == len(rows)
