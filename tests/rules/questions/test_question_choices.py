"""Choices and their key.

The common forms, and never another option than the one that the file names.
"""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import InputError
from tasks.rules.questions.choices import LETTERS, letter_of, options_of

WORDS = ("oak", "iron", "wool", "milk", "sand")


def lettered(form: str, pairs: list[tuple[str, str]]) -> object:
    """The same options in one of the forms in which files hold them."""
    marked = {
        "dot": "{}. {}",
        "round": "({}) {}",
        "bracket": "{}) {}",
        "glued": "{}){}",
        "colon": "{}: {}",
    }
    if form in marked:
        return [marked[form].format(label, text) for label, text in pairs]
    forms: dict[str, object] = {
        "lists": {"text": [text for _, text in pairs], "label": [label for label, _ in pairs]},
        "objects": [{"label": label, "text": text} for label, text in pairs],
        "keyed": [{"key": label, "value": text} for label, text in pairs],
        "single": [{label: text} for label, text in pairs],
        "by letter": dict(pairs),
        "lines": "\n".join(f"{label}) {text}" for label, text in pairs),
        "json": json.dumps([f"{label}. {text}" for label, text in pairs]),
        "json object": json.dumps(dict(pairs)),
        "small": [f"{label.lower()}) {text}" for label, text in pairs],
    }
    return forms[form]


FORMS = (
    "dot",
    "round",
    "bracket",
    "glued",
    "colon",
    "lists",
    "objects",
    "keyed",
    "single",
    "by letter",
    "lines",
    "json",
    "json object",
    "small",
)


@settings(max_examples=150)
@given(st.sampled_from(FORMS), st.integers(2, 5), st.randoms(use_true_random=False), st.booleans())
def test_whatever_the_form_and_order_the_key_names_its_own_option(
    form: str, count: int, order: random.Random, by_number: bool
) -> None:
    numbered = by_number and form in ("lists", "objects", "by letter")
    labels = [str(place + 1) if numbered else LETTERS[place] for place in range(count)]
    pairs = list(zip(labels, order.sample(WORDS, count), strict=True))
    shown = order.sample(pairs, count)
    options = options_of(lettered(form, shown))
    for label, text in pairs:
        letter = letter_of(label, options)
        assert options.texts[LETTERS.index(letter)] == text
        assert letter_of(text, options) == letter
    assert not [text for text in options.texts if text not in WORDS]


def test_plain_texts_keep_their_order_and_their_words() -> None:
    for texts in (
        ["E. coli", "S. aureus"],
        ["1.5", "2.5"],
        ["Vitamin A", "Vitamin C"],
        ["3:4", "1:2"],
        ["2: 1", "1: 2"],
        ["2. May"],
    ):
        assert options_of(texts).texts == tuple(texts)


@pytest.mark.parametrize(
    ("cell", "key", "kind", "letter"),
    [
        (["oak", "iron"], "(b)", "", "B"),
        (["oak", "iron"], "B. iron", "", "B"),
        (["oak", "iron"], "Iron", "", "B"),
        (["oak", "iron"], "1", "0", "B"),
        (["oak", "iron"], "1", "1", "A"),
        (["10", "2"], "2", "text", "B"),
        (["10", "20"], "20", "", "B"),
        (["B", "A"], "A", "text", "B"),
        (["B", "A"], "A", "letter", "A"),
        (["C", "NO", "O", "CO"], "C", "", "C"),
        (["2. May", "1. June"], "A", "", "A"),
        ("a ) 38 , b ) 27 , c ) 30", "b", "", "B"),
        ({"A": "A. oak", "B": "B. iron"}, "B", "", "B"),
        (["oak", "iron"], "", "", ""),
    ],
)
def test_a_key_in_any_plain_form_is_its_letter(
    cell: object, key: str, kind: str, letter: str
) -> None:
    assert letter_of(key, options_of(cell), kind) == letter


@pytest.mark.parametrize(
    ("cell", "key", "says"),
    [
        (["oak", "iron"], "1", "--choice-key"),
        (["oak", "iron"], "E", "A-B"),
        (["B", "A"], "A", "A or B"),
        (["3", "1", "2"], "2", "--choice-key"),
        (["oak", "iron"], "A. iron", "A-B"),
        (["C) oak", "D) iron"], "A", "found 'A'"),
        (["oak", "iron"], "AB", "A-B"),
    ],
)
def test_a_key_that_may_name_another_option_is_refused(cell: object, key: str, says: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        letter_of(key, options_of(cell))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "cell",
    [
        ["oak", None],
        ["oak", ""],
        [["A", "oak"], ["B", "iron"]],
        b"oak",
        4,
        "oak",
        "['oak', 'iron']",
        {"x": 1},
        ["A) oak", "iron"],
        {"text": ["oak", "iron"], "label": ["A", "A"]},
        {"text": ["oak"], "label": ["A", "B"]},
        {"A": "oak", "B": None},
        {"A": "B. oak", "B": "A. iron"},
        list("x" * 27),
        [{"a": 1, "b": 2, "c": 3}],
    ],
)
def test_choices_without_a_plain_meaning_are_refused(cell: object) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$"):
        options_of(cell)
