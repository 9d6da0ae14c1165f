"""Cells of a question file.

Every type is taken by its meaning or refused, and nothing becomes its `str()`.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import InputError
from tasks.rules.questions.cells import LONGEST_TEXT, given_answers, question_text, scalar_text

SCALARS = st.one_of(
    st.text(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False)
)
OTHERS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.binary(), SCALARS),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=6,
)


def never(_: str) -> bool:
    return False


@settings(max_examples=150)
@given(OTHERS)
def test_only_single_values_have_a_text(cell: object) -> None:
    if cell is None or (isinstance(cell, (str, int, float)) and not isinstance(cell, bool)):
        assert scalar_text(cell, "its question") == ("" if cell is None else str(cell).strip())
    else:
        with pytest.raises(InputError, match=r"^[^\n]*$"):
            scalar_text(cell, "its question")


@settings(max_examples=150)
@given(OTHERS)
def test_a_question_that_holds_a_list_or_object_is_never_its_python_text(cell: object) -> None:
    try:
        text, _ = question_text(cell)
    except InputError:
        return
    if isinstance(cell, (list, tuple, Mapping, bytes)):
        assert text != str(cell)


@pytest.mark.parametrize(
    ("cell", "text"), [(Decimal("1E+3"), "1000"), (date(2026, 1, 2), "2026-01-02"), (7, "7")]
)
def test_other_single_values_are_written_out(cell: object, text: str) -> None:
    assert scalar_text(cell, "its answer") == text


@pytest.mark.parametrize("cell", [float("nan"), float("inf"), "\ud800", True, b"4"])
def test_what_is_no_text_is_refused(cell: object) -> None:
    with pytest.raises(InputError, match="at most"):
        scalar_text("x" * (LONGEST_TEXT + 1), "its question")
    with pytest.raises(InputError):
        scalar_text(cell, "its question")


USER, OTHER = {"role": "user", "content": "How many?"}, {"role": "assistant", "content": "Three."}
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ([USER], "last user turn"),
        ([SYSTEM, USER], "system message kept"),
        ([{"role": "user", "content": "Hi"}, OTHER, USER], "earlier turns kept"),
        ([USER, OTHER], "last user turn"),
        (
            [{"from": "human", "value": "How many?"}, {"from": "gpt", "value": "3"}],
            "last user turn",
        ),
        ({"messages": [SYSTEM, USER]}, "system message"),
        ([{"role": "user", "content": [{"type": "text", "text": "How many?"}]}], "last user turn"),
        ('[{"role": "user", "content": "How many?"}]', "last user turn"),
    ],
)
def test_the_last_user_turn_of_a_chat_is_asked_and_what_is_left_is_said(
    cell: object, says: str
) -> None:
    text, note = question_text(cell)
    assert text == "How many?"
    assert says in note


@pytest.mark.parametrize(
    "cell",
    [
        [SYSTEM],
        [{"role": "narrator", "content": "Once"}],
        "[{'role': 'user', 'content': 'How many?'}]",
        [{"role": "user", "content": [{"type": "image", "url": "x"}]}],
        {"stem": "x"},
        [1, 2],
        [USER, "Three."],
        [["user", "x"]],
    ],
)
def test_a_chat_without_a_plain_question_is_refused(cell: object) -> None:
    with pytest.raises(InputError):
        question_text(cell)


@pytest.mark.parametrize(
    ("cell", "answers"),
    [
        (["Niger", "Republic of Niger"], ["Niger", "Republic of Niger"]),
        ('["Niger", "Republic of Niger"]', ["Niger", "Republic of Niger"]),
        ([4], [4]),
        (
            {"text": ["Denver", "Denver Broncos"], "answer_start": [1, 2]},
            ["Denver", "Denver Broncos"],
        ),
        ({"value": "Paris", "aliases": ["City of Light"]}, ["Paris", "City of Light"]),
        ({"ground_truth": "72", "style": "rule"}, ["72"]),
        ("Niger", ["Niger"]),
        (None, [None]),
        ("[sic]", ["[sic]"]),
    ],
)
def test_a_list_of_answers_means_any_of_them(cell: object, answers: list[object]) -> None:
    assert given_answers(cell, never)[0] == answers


@pytest.mark.parametrize(
    "cell",
    [
        [],
        [None],
        [["a"]],
        ["a", None],
        [b"a"],
        {"a": 1},
        "['Niger', 'Republic of Niger']",
        "['Niger' 'Chad']",
        [""],
    ],
)
def test_a_list_that_is_no_list_of_answers_is_refused(cell: object) -> None:
    with pytest.raises(InputError):
        given_answers(cell, never)
