"""References are read by their kind before anything is stored."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import InputError
from storage.records import AnswerKind
from tasks.rules.answers.verdicts import Case, Pending, judged_quickly
from tasks.rules.questions.cells import UnreadReference
from tasks.rules.questions.choices import Options, options_of
from tasks.rules.questions.references import BEHIND_MARK, IN_BOX, kind_shown_by, reference_of

NONE = Options()


@pytest.mark.parametrize(
    ("cell", "kind", "answer", "note"),
    [
        ("2*9=<<2*9=18>>18 pears.\n#### 18", "number", "18", BEHIND_MARK),
        ("So it is many.\n#### 1,234", "number", "1,234", BEHIND_MARK),
        (r"Hence $x=\boxed{\frac{1}{2}}$.", "expression", r"\frac{1}{2}", IN_BOX),
        (r"First \boxed{3}, then \boxed{x^{2}+1}, as was asked.", "expression", "x^{2}+1", IN_BOX),
        (r"The total is $\fbox{42}$", "number", "42", IN_BOX),
        ("It flies.\n#### yes", "boolean", "yes", BEHIND_MARK),
        ("Gold is one.\n#### B", "choice", "B", BEHIND_MARK),
        (4, "number", "4", ""),
        (4.5, "number", "4.5", ""),
        (True, "boolean", "yes", ""),
        (0, "boolean", "no", ""),
        ("N/A", "text", "N/A", ""),
        ("[0, 1]", "expression", "[0, 1]", ""),
        ("$1,000", "number", "$1,000", ""),
    ],
)
def test_a_reference_is_what_its_solution_states(
    cell: object, kind: AnswerKind, answer: str, note: str
) -> None:
    options = options_of(["oak", "gold"]) if kind == "choice" else NONE
    found = reference_of(cell, kind, options, "How many?")
    assert (found.answer, found.notes) == (answer, (note,) if note else ())


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        *(
            (bad, "number")
            for bad in ("N/A", "unknown", "nan", "1e400", "3,5", "10-12", "3:4", "10:30", "–")
        ),
        *((bad, "number") for bad in ("2 or -2", "2 + 2", "2024-01-05", "four or five")),
        *(
            (bad, "number")
            for bad in ("None", "7" * 5001, "She has 5.\nThen 3.", float("nan"), float("inf"), True)
        ),
        *((bad, "expression") for bad in ("N/A", "?", r"It is \boxed{3", "x" * 1001)),
        *((bad, "boolean") for bad in ("maybe", "4", 1.5, ["yes", "no"])),
        *((bad, "choice") for bad in ("Z", ["A", "B"], 1)),
        ([], "text"),
        (True, "text"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_reference_that_cannot_be_read_as_its_kind_is_found(
    cell: object, kind: AnswerKind
) -> None:
    options = options_of(["oak", "gold"]) if kind == "choice" else NONE
    with pytest.raises(UnreadReference, match=r"^[^\n]*$"):
        reference_of(cell, kind, options, "How many?")


@settings(max_examples=100)
@given(st.sampled_from(("number", "expression", "text")), st.text(max_size=20))
def test_what_is_taken_is_found_right_by_the_judge(kind: AnswerKind, cell: str) -> None:
    try:
        found = reference_of(cell, kind, NONE, "What is it?")
    except InputError:
        return
    for answer in found.answers:
        judged = [
            judged_quickly(Case(text, answer, kind))
            for text in (f"\\boxed{{{answer}}}", f"The answer is {answer}")
        ]
        assert any(isinstance(one, Pending) or one.verdict == "correct" for one in judged)


def test_several_answers_are_read_one_by_one() -> None:
    assert reference_of(["4", "four", "4"], "text", NONE, "").answers == ("4", "four")
    assert reference_of([3, "3.0"], "number", NONE, "").answers == ("3", "3.0")
    with pytest.raises(UnreadReference):
        reference_of(["4", "n/a"], "number", NONE, "")


def test_a_row_shows_its_kind_only_where_it_is_plain() -> None:
    assert kind_shown_by("B", options_of(["oak", "gold"])) == "choice"
    assert kind_shown_by(True, NONE) == "boolean"
    assert kind_shown_by("Sum.\n#### 4", NONE) == "number"
    assert kind_shown_by(r"So \boxed{x}", NONE) == "expression"
    assert kind_shown_by("4", NONE) is None
