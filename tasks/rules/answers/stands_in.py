"""Whether a value stands in a text as a value and not as part of a longer string.

1,234 stands in "1234 apples" and 1/2 in "one half"; 12 does not stand in "312". Text and value in,
yes or no out; it does not say whether the text states the value as its answer.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from storage.records import AnswerKind
from tasks.rules.answers.expressions import as_written, spelled
from tasks.rules.answers.short_texts import list_items, plain_text
from tasks.rules.answers.values.number_words import in_digits
from tasks.rules.answers.values.numbers import (
    MAGNITUDE,
    MAGNITUDES,
    NUMERAL,
    Number,
    is_same_number,
    number_offered,
    simplified,
)
from tasks.rules.answers.values.spelling import plain, undressed

# Characters that are searched; a longer text is a loop, and its beginning says what it holds.
LONGEST = 50_000
# A longer row of digits is no value of a question, and costs quadratic time to convert.
LONGEST_NUMERAL = 200
# `1,234`, `3 1/2`, `1/2`, `5 million`, `50 %`
WRITTEN = re.compile(
    rf"(?<![\w.])(?:(?P<whole>\d+) (?=\d+/\d))?(?P<numeral>{NUMERAL})"
    r"(?:\s?/\s?(?P<bottom>\d+(?:\.\d+)?))?"
    rf"(?:\s?(?P<magnitude>{MAGNITUDE})s?\b)?(?P<percent>\s?%)?",
    re.IGNORECASE,
)
# a minus that takes away nothing: at the beginning, behind = ( , or another operator
SIGN = re.compile(r"(?:^\s*|[=(\[{,;:<>*/×·≈]|\b(?:is|be|to|of|minus|negative))\s*-\s?[$€£]?\s?$")
# two words that mean the same truth value
TRUTH = {
    "yes": ("yes", "true"),
    "true": ("yes", "true"),
    "no": ("no", "false", "not true"),
    "false": ("no", "false", "not true"),
}


def stands_in(text: str, reference: str, kind: AnswerKind, choices: tuple[str, ...] = ()) -> bool:
    """Whether the reference's value stands anywhere in the text; an empty reference never does."""
    text, reference = text[:LONGEST], reference.strip()
    if not reference:
        return False
    if kind == "choice":
        return _choice_stands_in(text, reference, choices)
    if kind == "boolean":
        words = TRUTH.get(reference.lower(), (reference,))
        return any(_words_stand_in(text, word) for word in words)
    wanted = _wanted(reference)
    if isinstance(wanted, Number) and kind in ("number", "expression"):
        return any(
            is_same_number(number, wanted) or number.value == wanted.value
            for number in numbers_in(text)
        )
    if kind == "text":
        items = list_items(reference)
        return _words_stand_in(text, reference) or (
            len(items) > 1 and all(_words_stand_in(text, item) for item in items)
        )
    return _formula_stands_in(text, reference)


def numbers_in(text: str) -> Iterator[Number]:
    """Every number in the text, in digits or words; `3 - 5` holds 3 and 5, `= -5` holds -5."""
    for line in text.splitlines():
        line = in_digits(simplified(line)) if line.strip() else ""
        for match in WRITTEN.finditer(line):
            yield from _readings(match, line)


def _readings(match: re.Match[str], line: str) -> Iterator[Number]:
    """The numeral; also quotient and divisor of a fraction, and the product with a magnitude."""
    if match.end() - match.start() > LONGEST_NUMERAL:
        return
    digits = number_offered(match["numeral"])
    if not isinstance(digits, Number):
        return
    sign = -1 if SIGN.search(line[max(0, match.start() - 16) : match.start()]) else 1
    yield Number(sign * digits.value, match["percent"] is not None, digits.decimals)
    if match["magnitude"]:
        yield Number(sign * digits.value * MAGNITUDES[match["magnitude"].lower()])
    bottom = number_offered(match["bottom"] or "")
    if isinstance(bottom, Number) and bottom.value:
        quotient = digits.value / bottom.value
        yield from (Number(sign * quotient, decimals=None), bottom)
        if match["whole"]:
            yield Number(sign * (int(match["whole"]) + quotient), decimals=None)


@lru_cache(maxsize=4096)
def _wanted(reference: str) -> Number | str:
    return number_offered(reference)


def _choice_stands_in(text: str, reference: str, choices: tuple[str, ...]) -> bool:
    letter = reference.strip("(). ").upper()
    if re.search(rf"(?<![\w’'-])\(?{re.escape(letter)}(?:\)|(?![\w’'-])(?!\s+[a-z]))", text):
        return True
    place = ord(letter[:1] or "@") - ord("A")
    return len(letter) == 1 and 0 <= place < len(choices) and _words_stand_in(text, choices[place])


def _words_stand_in(text: str, words: str) -> bool:
    wanted = plain_text(words)
    pattern = rf"(?<!\w){re.escape(wanted)}(?!\w)"
    return (
        bool(wanted)
        and re.search(pattern, " ".join(undressed(plain(text)).casefold().split())) is not None
    )


def _formula_stands_in(text: str, reference: str) -> bool:
    """Whether a formula stands in the text, blanks and LaTeX aside, outside any longer product."""
    signs = [re.escape(sign) for sign in as_written(reference)]
    formula = r"\s*".join(signs)
    return bool(signs) and re.search(rf"(?<![\w^.]){formula}(?![\w^])", spelled(text)) is not None
