"""Properties of the quick half of the judge.

An answer equals itself in any spelling, a changed one never.
"""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.records import ANSWER_KINDS, AnswerKind
from storage.views.reasons import REASONS
from tasks.rules.answers.verdicts import Case, Judgement, Pending, judged_quickly

STATEMENTS = (
    "The answer is {}.",
    "Answer: {}",
    "#### {}",
    "So \\boxed{{{}}} it is.",
    "**The answer is {}.**",
    "the final answer is: ${}$",
)
integers = st.integers(-(10**12), 10**12)
decimals = st.decimals(-(10**6), 10**6, allow_nan=False, allow_infinity=False, places=3).map(
    lambda d: f"{d:f}"
)
statements = st.sampled_from(STATEMENTS)


def verdict(
    text: str, answer: str, kind: AnswerKind = "number", choices: tuple[str, ...] = ()
) -> str:
    judgement = judged_quickly(Case(text, answer, kind, choices))
    assert isinstance(judgement, Judgement)
    return judgement.verdict


@given(
    integers,
    statements,
    st.sampled_from(["{}", "{:,}", "{}.0", "{:+d}", "{} apples", "{}\\text{{ kg}}"]),
)
def test_a_whole_number_equals_itself_in_any_spelling(value: int, statement: str, spelling: str):
    assert verdict(statement.format(spelling.format(value)), str(value)) == "correct"


@given(decimals, statements)
def test_a_decimal_number_equals_itself(value: str, statement: str):
    assert verdict(statement.format(value), value) == "correct"


@given(
    st.fractions(-1000, 1000, max_denominator=999),
    statements,
    st.sampled_from(["{}/{}", "\\frac{{{}}}{{{}}}"]),
)
def test_a_fraction_equals_itself(value: Fraction, statement: str, spelling: str):
    words = spelling.format(value.numerator, value.denominator)

    assert verdict(statement.format(words), f"{value.numerator}/{value.denominator}") == "correct"


@given(decimals | integers.map(str), st.data(), statements)
def test_a_changed_digit_is_never_equal(value: str, data: st.DataObject, statement: str):
    place = data.draw(
        st.sampled_from([i for i, character in enumerate(value) if character.isdigit()])
    )
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != value[place]]))
    changed = value[:place] + digit + value[place + 1 :]

    assert verdict(statement.format(changed), value) == "wrong"


@given(decimals | integers.map(str), statements)
def test_a_changed_sign_is_never_equal(value: str, statement: str):
    changed = value[1:] if value.startswith("-") else f"-{value}"

    expected = "correct" if Fraction(value) == 0 else "wrong"
    assert verdict(statement.format(changed), value) == expected


@given(
    integers,
    integers,
    statements,
    st.sampled_from(["{} or {}", "{} and {}", "{}, {}", "between {} and {}"]),
)
def test_two_values_are_never_one_answer(one: int, other: int, statement: str, spelling: str):
    words = statement.format(spelling.format(one, other))

    if one != other:
        assert "correct" not in (verdict(words, str(one)), verdict(words, str(other)))


@given(
    st.text(max_size=200),
    st.text(max_size=40),
    st.sampled_from(ANSWER_KINDS),
    st.sampled_from(["stop", "length"]),
)
@settings(max_examples=300)
def test_no_input_raises_and_every_reason_is_explained(
    text: str, answer: str, kind: AnswerKind, finish_reason: str
):
    for words in (text, f"The answer is {text}", f"\\boxed{{{text}}}"):
        judgement = judged_quickly(Case(words, answer, kind, ("one", "two"), finish_reason))

        assert isinstance(judgement, Pending) or judgement.reason in REASONS


@given(st.text(st.characters(categories=["L"]), min_size=1, max_size=30))
def test_a_text_equals_itself_in_quotes_and_upper_case(words: str):
    assert verdict(f'The answer is "{words}".', words, "text") == "correct"
    assert verdict(f"The answer is {words.upper()}", words.upper().lower(), "text") == "correct"


@pytest.mark.parametrize(
    ("words", "choices"),
    [("The answer is 10.", ("10", "5", "10")), ("The answer is (C)", ("10", "5", "10"))],
)
def test_an_option_that_is_printed_twice_is_right_by_text_and_by_either_letter(
    words: str, choices: tuple[str, ...]
):
    assert verdict(words, "C", "choice", choices) == "correct"


@pytest.mark.parametrize("words", ["The answer is D.", "The answer is (D) RR", "The answer is RR"])
def test_options_that_differ_by_case_alone_are_different(words: str):
    choices = ("rr", "rR", "Rr", "RR")

    assert verdict(words, "D", "choice", choices) == "correct"
    assert verdict(words, "C", "choice", choices) == "wrong"


def test_the_lenient_reading_is_reported_apart():
    judgement = judged_quickly(Case("So there are 12 apples.", "12", "number"))

    assert judgement == Judgement("unjudged", "no_final_answer", None, "correct", "12")


def test_a_question_that_asks_for_dozens_takes_them_for_the_unit():
    text = "The answer is 3 dozen."

    assert (
        judged_quickly(Case(text, "3", "number", question="How many dozen eggs?")).verdict
        == "correct"
    )
    assert (
        judged_quickly(Case(text, "36", "number", question="How many eggs?")).verdict == "correct"
    )
    assert judged_quickly(Case(text, "3", "number", question="How many eggs?")).verdict == "wrong"
