"""Numbers as people and models write them, read exactly: text in, a `Number` or why there is none out. Never `eval`.

Decimals, thousands separators, signs, fractions, mixed numbers, scientific notation, percent, currency, units,
magnitude words. A calculation is not a number: who restates the question has not answered it.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from tasks.rules.number_words import in_digits
from tasks.rules.spelling import DOLLARS, plain, undressed

NoNumber = Literal["ambiguous", "not_evaluated", "not_an_answer", "algebra"]
MAX_DIGITS = 4000
MAX_EXPONENT = 5000
MAGNITUDES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}

DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d|,\d)|\d{1,3}(?: \d{3}){2,}(?!\d)|\d+)(?:\.\d+)?|\.\d+"
QUANTITY = re.compile(
    r"(?P<sign>(?<![\w)])[-+]\s?)?(?P<currency>[$€£¥₹]\s?)?(?P<sign2>-)?(?<![\w.,/^])(?:"
    rf"(?P<power>(?:(?P<mantissa>{DIGITS})\s*[×·*xX]\s*)?10\s*\^\s*[({{]?(?P<power_exponent>[-+]?\d+)[)}}]?)"
    r"|(?P<whole>\d+)\s+(?P<mixed_top>\d+)\s*/\s*(?P<mixed_bottom>\d+)"
    rf"|(?P<top>{DIGITS})\s?/\s?(?P<bottom>-?(?:{DIGITS}))"
    rf"|(?P<number>{DIGITS})(?:[eE](?P<exponent>[-+]?\d+))?"
    r")(?P<glue>(?:[.,:/^!-]\s?\d|\^|!)?)"
    r"(?:\s*(?P<magnitude>dozen|hundred|thousand|million|billion|trillion)\b)?"
    r"(?P<percent>\s*%|\s+per\s?cent\b|\s+percent\b)?",
    re.ASCII | re.IGNORECASE,
)
SIMPLE = re.compile(
    r"\s*([-+]?)[$€£]?(\d{1,3}(?:,\d{3}){1,9}(?:\.\d{1,30})?|\d{1,30}(?:\.\d{1,30})?)\s*[.!]?\s*", re.ASCII
)
FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{\s*(-?[\d.,]+)\s*\}|(\d))\s*(?:\{\s*(-?[\d.,]+)\s*\}|(\d))")
UNIT_FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{\s*\\(?:text|mathrm)\{[^{}]*\}\s*\}\s*){2}")
REASON = re.compile(r"[,;:.]?\s+(?:because|since|given that|as (?:it|he|she|they|the|there)|so that)\b", re.IGNORECASE)
SAME_AS = re.compile(
    r"=|≈|\\approx|\bi\.\s?e\.,?|\bthat is,|\bwhich (?:is|equals|gives|makes)\b|\bequals\b|\bequal to\b|→|⇒", re.I
)
CIRCUMSTANCE = re.compile(
    r"(?:(?<=[a-zA-Z)])|(?<=,))\s+(?:for|in|after|during|on|at|each|every|from|when|where|if|with|which|who)\b",
    re.IGNORECASE,
)
SEVERAL = re.compile(r"\d[^=]*(?:,(?!\d{3}(?!\d))|;|\band\b|\bor\b)", re.IGNORECASE)
NOT_THE_VALUE = re.compile(
    r"\b(?:not|never|(?:more|less|fewer|greater|larger|smaller|other|rather) than|at (?:least|most)|up to|nearly|almost"
    r"|over|under|above|below|half|twice|double|triple|neither|except)\b|[<>≤≥±≠]|\\(?:geq?|leq?|neq?|pm|[gl]t)\b",
    re.IGNORECASE,
)
CALCULATION = re.compile(
    r"[-+*/×·÷]|\\(?:times|cdot|div)\b"
    r"|\b(?:plus|minus|times|multiplied|divided|squared|cubed|modulo|mod|more than|less than)\b",
    re.I,
)
UNIT_POWER = re.compile(r"(?<=[a-zA-Z])\s*\^\s*\{?-?\d\}?")
UNIT = re.compile(
    r"\b(?:[munck]?m|cm|km|in|ft|yd|mi|feet|foot|inch(?:es)?|yards?|miles?|units?|(?:centi|kilo|milli)?met(?:er|re)s?|s|sec|seconds?)(?:\s*\^\s*\{?-?\d\}?|\d\b)",
    re.I,
)
VARIABLE = re.compile(r"(?<![A-Za-z'’])(?![smghlLCFNJWV])(?:(?<=\d)[A-Za-z]|(?<!\d)(?![AaI])[A-Za-z])(?![A-Za-z'’.])")
GLUED_BRACKET = re.compile(r"[-+*/×·÷^]\s*\(|\)\s*[-+*/×·÷^(]")
POWER_WORD = re.compile(r"¦\s*(?:squared|cubed)\b", re.IGNORECASE)
MINUS_WORD = re.compile(r"^\W*(?:approximately|about|around|roughly)?\s*(?:negative|minus)\s+(?=[\d$.])", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """An exact value; `percent` when a percent sign followed; `decimals` as written, None for fractions."""

    value: Fraction
    percent: bool = False
    decimals: int | None = 0


def is_same_number(answer: Number, reference: Number) -> bool:
    """Equal values; 1e-6 relative where one is rounded; 0.5 is 50% only for a reference with a percent sign."""
    if _close(answer, reference):
        return True
    if reference.percent and not answer.percent:
        decimals = None if reference.decimals is None else reference.decimals + 2
        return _close(answer, Number(reference.value / 100, decimals=decimals))
    return False


def _close(answer: Number, reference: Number) -> bool:
    if answer.value == reference.value:
        return True
    exact = (
        answer.decimals == reference.decimals
        or _places(answer.value) == _places(reference.value) != None  # noqa: E711
        or (answer.decimals in (0, None) and reference.decimals in (0, None))
    )
    return not exact and abs(answer.value - reference.value) <= abs(reference.value) / 1_000_000


def _places(value: Fraction) -> int | None:
    """Decimal places of a terminating value of few places, else None."""
    return next((places for places in range(13) if (value * 10**places).denominator == 1), None)


def number_offered(words: str) -> Number | NoNumber:
    """The one number that the words offer as an answer."""
    simple = SIMPLE.fullmatch(words)
    if simple:
        digits = simple[2].replace(",", "")
        value = Fraction(digits) if "." in digits else Fraction(int(digits))
        return Number(-value if simple[1] == "-" else value, decimals=len(digits.partition(".")[2]))
    words = _simplified(words)
    reason = REASON.search(words)
    if reason and any(character.isdigit() for character in words[: reason.start()]):
        words = words[: reason.start()]
    sides = [side.strip(" ,;:") for side in SAME_AS.split(words)]
    if any(SEVERAL.search(side) for side in sides[:-1]):
        return "ambiguous"
    offered = _one_side(sides[-1])
    if len(sides) > 1 and not isinstance(offered, Number):
        before = _one_side(sides[-2])
        if isinstance(before, Number) and (offered == "not_an_answer" or _value_of_sum(sides[-1]) == before.value):
            return before
    return offered


def _simplified(words: str) -> str:
    words = plain(words)
    if "\\" in words:
        words = UNIT_FRACTION.sub(" unit", words)
        words = FRACTION.sub(lambda m: f" {m[1] or m[2]}/{m[3] or m[4]}", words)
        for latex, sign in (
            ("\\%", "%"),
            ("\\$", "¤"),
            ("^{\\circ}", "°"),
            ("^\\circ", "°"),
            ("\\circ", "°"),
            ("\\times", "×"),
            ("\\cdot", "·"),
            ("\\left", ""),
            ("\\right", ""),
            ("\\degree", "°"),
        ):
            words = words.replace(latex, sign)
    words = undressed(words)
    if words.count("$") != 1:
        words = re.sub(r"\$(?=\s*$)|\$(?=[-\\\d.\s][^$]*\$)", " ", words) if words.count("$") % 2 == 0 else words
        words = DOLLARS.sub(" ", words) if "\\" in words else words
    words = words.replace("¤", "$").replace("{,}", ",")
    words = UNIT.sub(" unit", words)
    words = MINUS_WORD.sub("-", words)
    return words.strip().rstrip(".,;:!?\"'")


def _one_side(words: str) -> Number | NoNumber:
    outside, inside = _apart_from_brackets(words)
    if inside is not None and any(c.isdigit() for c in outside):
        other = _one_side(inside)
        this = _one_side(outside)
        if re.search(r"\bor\b", inside) or (
            isinstance(other, Number) and isinstance(this, Number) and other.value != this.value
        ):
            return "ambiguous"
        return this
    first = QUANTITY.search(words)
    if first:
        circumstance = CIRCUMSTANCE.search(words, first.end())
        words = words[: circumstance.start()] if circumstance else words
    else:
        words = in_digits(words)
    return _single_quantity(words)


def _apart_from_brackets(words: str) -> tuple[str, str | None]:
    match = re.search(r"\s*\(([^()]*)\)\s*[.,]?$", words)
    return (words[: match.start()], match[1]) if match and match.start() > 0 else (words, None)


def _single_quantity(words: str) -> Number | NoNumber:
    found = list(QUANTITY.finditer(words))
    if "\\" in words or any(sign in words for sign in "√π∞{}"):
        return "not_evaluated" if _is_calculation(words, found) else "algebra"
    if not found:
        return "not_an_answer"
    residue = QUANTITY.sub(" ¦ ", words)
    if any(match["glue"] for match in found):
        return (
            "algebra"
            if any(match["glue"] in ("^", "!") or match["glue"].startswith("^") for match in found)
            else "ambiguous"
        )
    if _is_calculation(words, found) or POWER_WORD.search(residue):
        return "not_evaluated"
    if GLUED_BRACKET.search(residue):
        return "algebra"
    if NOT_THE_VALUE.search(residue.partition("¦")[0]) or "=" in residue or "±" in residue:
        return "not_an_answer"
    values = [_value(match) for match in found]
    if any(value is None for value in values):
        return "not_an_answer"
    numbers = [value for value in values if value is not None]
    if len({(number.value, number.percent) for number in numbers}) > 1:
        return "ambiguous"
    if any(c.isdigit() for c in residue):
        return "not_an_answer"
    if VARIABLE.search(QUANTITY.sub(lambda match: "5" if match.group()[-1].isdigit() else "¦", words)):
        return "algebra" if len(found) == 1 else "ambiguous"
    return numbers[0]


def _is_calculation(words: str, found: list[re.Match[str]]) -> bool:
    for one, next_one in pairwise(found):
        between = words[one.end() : next_one.start()]
        if CALCULATION.search(between) or (not between.strip() and (next_one["sign"] or next_one["sign2"])):
            return True
    return False


def _value(match: re.Match[str]) -> Number | None:
    if sum(character.isdigit() for character in match.group()) > MAX_DIGITS:
        return None
    read = _unsigned(match)
    if read is None:
        return None
    value, decimals = read
    if (match["sign"] or "").startswith("-") != bool(match["sign2"]):
        value = -value
    if match["magnitude"]:
        value *= MAGNITUDES[match["magnitude"].lower()]
        decimals = 0 if value.denominator == 1 else decimals
    return Number(value, bool(match["percent"]), decimals)


def _unsigned(match: re.Match[str]) -> tuple[Fraction, int | None] | None:
    if match["power"]:
        return _scaled(match["mantissa"] or "1", match["power_exponent"])
    if match["whole"]:
        bottom = int(match["mixed_bottom"])
        return None if bottom == 0 else (int(match["whole"]) + Fraction(int(match["mixed_top"]), bottom), None)
    if match["top"]:
        bottom_value = _fraction(match["bottom"])
        return None if bottom_value == 0 else (_fraction(match["top"]) / bottom_value, None)
    return _scaled(match["number"], match["exponent"] or "0")


def _scaled(digits: str, exponent: str) -> tuple[Fraction, int] | None:
    if len(exponent) > 5 or abs(int(exponent)) > MAX_EXPONENT:
        return None
    value = _fraction(digits) * Fraction(10) ** int(exponent)
    return value, max(0, len(digits.partition(".")[2]) - int(exponent))


def _fraction(digits: str) -> Fraction:
    return Fraction(digits.replace(",", "").replace(" ", ""))


def _value_of_sum(words: str) -> Fraction | None:
    """The value of a plain calculation of + - * / without brackets, from left to right by precedence; else None."""
    tokens = re.findall(r"\d+(?:\.\d+)?|[-+*/×·÷]|\S", words.replace(",", ""))
    if len(tokens) % 2 == 0 or len(tokens) > 99:
        return None
    total, product, sign = Fraction(0), Fraction(1), 1
    for position, token in enumerate(tokens):
        if position % 2 == 0:
            if not token[0].isdigit() or len(token) > MAX_DIGITS:
                return None
            operator = tokens[position - 1] if position else "+"
            value = Fraction(token)
            if operator in "+-":
                total += sign * product if position else 0
                product, sign = value, 1 if operator == "+" else -1
            elif operator in "*×·":
                product *= value
            elif operator in "/÷" and value:
                product /= value
            else:
                return None
    return total + sign * product
