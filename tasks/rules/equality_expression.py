"""Expressions: the exact comparisons that need no algebra, and the guards that algebra does not keep."""

import re

from tasks.rules.comparison import AMBIGUOUS, DIFFERS, EQUAL, NOT_AN_ANSWER, Compared, Undecided
from tasks.rules.numbers import Number, is_same_number, number_offered
from tasks.rules.spelling import plain, undressed

PLAIN_FRACTION = re.compile(r"\s*[-+]?\d+\s*/\s*\d+\s*|\s*-?\\[dt]?frac\{-?\d+\}\{\d+\}\s*")
SPACES = re.compile(r"\s+")
SAME = (
    ("\\dfrac", "\\frac"),
    ("\\tfrac", "\\frac"),
    ("\\left", ""),
    ("\\right", ""),
    ("\\cdot", "*"),
    ("\\times", "*"),
    ("**", "^"),
    ("\\geq", "\\ge"),
    ("\\leq", "\\le"),
    ("{,}", ","),
    ("$", ""),
    ("^\\circ", ""),
    ("^{\\circ}", ""),
)
WORDS = re.compile(r"(?<!\\)\b(?!sin|cos|tan|log|exp|sqrt|and|or|pi|in|frac|infty)[a-zA-Z]{4,}\b")
ALTERNATIVES = re.compile(r"\s+or\s+|\\text\{\s*or\s*\}|\\lor\b|\\pm\b|±")


def is_plain_fraction(reference: str) -> bool:
    """Such a reference is compared as a number whatever its kind."""
    return PLAIN_FRACTION.fullmatch(reference) is not None


def compare_expressions(words: str, reference: str) -> Compared | Undecided:
    """Equal as written, or as numbers; the rest is algebra."""
    answer, wanted = as_written(words), as_written(reference)
    if answer == wanted:
        return EQUAL if answer else NOT_AN_ANSWER
    if not answer:
        return NOT_AN_ANSWER
    if bool(ALTERNATIVES.search(words)) != bool(ALTERNATIVES.search(reference)):
        return AMBIGUOUS if "or" in words else DIFFERS
    number, target = number_offered(words), number_offered(reference)
    if isinstance(number, Number) and isinstance(target, Number) and "=" not in words and "=" not in reference:
        return EQUAL if is_same_number(number, target) else DIFFERS
    if len(words) > 2000 or len(reference) > 2000:
        return NOT_AN_ANSWER
    return Undecided(plain(words), plain(reference))


def as_written(words: str) -> str:
    """The form in which two spellings of the same written expression are one string."""
    words = undressed(plain(words).strip().strip("$"))
    for spelling, canonical in SAME:
        words = words.replace(spelling, canonical)
    return SPACES.sub("", words).rstrip(".,;:")
