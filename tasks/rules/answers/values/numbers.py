"""Numbers as people and models write them, read exactly: words in, a number or the reason for none.

The WHOLE answer has to be the number, with a unit and harmless words at most: `25 - C`, `2 pi` and
`2 or more` are not 25 and 2. A calculation is not a number: who restates the question has not
answered it. Never `eval`.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from tasks.rules.answers.values.number_words import LETTERS, PARTS, in_digits
from tasks.rules.answers.values.spelling import DOLLARS, plain, undressed
from tasks.rules.answers.values.units import same_quantity

NoNumber = Literal["ambiguous", "not_evaluated", "not_an_answer", "algebra"]
# Python refuses to convert more than 4300 digits (sys.set_int_max_str_digits), in quadratic time.
MAX_DIGITS = 4000
# 1e5000 is exact in microseconds; 1e999999999 would fill the memory
MAX_EXPONENT = 5000
# lakh and crore are India's 100,000 and 10,000,000
MAGNITUDES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 10**3,
    "lakh": 10**5,
    "million": 10**6,
    "crore": 10**7,
}
MAGNITUDES.update({"ten": 10, "billion": 10**9, "trillion": 10**12, "bn": 10**9, "mn": 10**6})
MAGNITUDES["quadrillion"] = 10**15
MAGNITUDE = "|".join(MAGNITUDES)

# 1,234.5  1'234.50  12,34,567  1.234,50  1.234.567  1 234,50  1 234 567  5,09 €  1234.5  .5
NUMERAL = (
    r"(?:\d{1,3}(?:'\d{3})+(?:[.,]\d+)?|\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?"
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])(?:\.\d+)?"
    r"|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}(?![\d.])|\d{1,3}(?: \d{3})+,\d{1,2}(?!\d)"
    r"|\d{1,3}(?: \d{3}){2,}(?!\d)|\d+,\d{1,2}(?=\s?(?:€|EUR\b|euros?\b))"
    r"|(?<=€)\d+,\d{1,2}(?!\d)|(?<=€ )\d+,\d{1,2}(?!\d)|\d+(?:\.\d+)?|\.\d+)"
)
QUANTITY = re.compile(
    # a sign that is no operator, then a currency, then a sign again: `-$5`, `$-5`
    r"(?P<sign>(?<![\w)])[-+]\s?)?(?P<currency>(?:[$€£¥₹]|\b(?:CHF|EUR|USD|GBP|INR"
    r"|Rs\.?)(?=\s?\d))\s?)?(?P<sign2>-)?"
    r"(?<![\w.,/^])(?:"
    # `3 × 10^5`, `10^-3`
    rf"(?P<power>(?:(?P<mantissa>{NUMERAL})\s*[×·*xX]\s*)?10\s*(?:\^|\*\*)\s*[({{]?(?P<power_exponent>[-+]?\d+)[)}}]?)"
    # `2 1/2`, `2 and 1/2`, `2-1/2`
    r"|(?P<whole>\d+)(?:\s+|\s+and\s+|-)(?P<mixed_top>\d+)\s*/\s*(?P<mixed_bottom>\d+)"
    # `3/4`, `1/-2`
    rf"|(?P<top>{NUMERAL})\s?/\s?(?P<bottom>-?{NUMERAL})"
    # `1,234.5`, `1e-3`
    rf"|(?P<number>{NUMERAL})(?:[eE](?P<exponent>[-+]?\d+))?"
    # what is glued to a number makes it another thing: `5:30`, `5^2`, `5!`, `5+`
    r")(?P<glue>(?:[.,:/^!'-]\s?\d|\^|!|\+(?!\s*\w))?)"
    # `5 million`, `5-dozen`
    rf"(?:[\s-]*(?P<magnitude>{MAGNITUDE})s?\b)?"
    r"(?P<percent>\s*%|\s+per\s?cent\b|\s+percent\b)?",
    re.ASCII | re.IGNORECASE,
)
# most answers: -12, $1,234.50, 80%, 20 apples; in front of all other patterns, for speed
SIMPLE = re.compile(
    r"\s*([-+]?)[$€£]?(\d{1,3}(?:,\d{3}){1,9}(?:\.\d{1,30})?|\d{1,30}(?:\.\d{1,30})?)"
    r"(?:(%)|\s+([a-z]{3,}s))?\s*[.!]?\s*",
    re.ASCII,
)
# `\frac{1}{2}`, `\dfrac12`, `\frac{1,000}{3}`
FRACTION = re.compile(
    r"\\[dtc]?frac\s*(?:\{\s*(-?[\d.,]+)\s*\}|(\d))\s*(?:\{\s*(-?[\d.,]+)\s*\}|(\d))"
)
# `\frac{\text{miles}}{\text{hour}}` is a unit
UNIT_FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{\s*\\(?:text|mathrm)\{[^{}]*\}\s*\}\s*){2}")
# a prime behind a number that no quote opens: 2' is a derivative, or feet, or minutes
DERIVED = re.compile(r"[^'‘]*\d'+")
# `5 dollars and 20 cents` is $5.20
DOLLARS_AND_CENTS = re.compile(r"(\d+) dollars?,? and (\d{1,2}) cents?\b", re.IGNORECASE)
# 15 000 as the whole answer or with its unit: one blank groups thousands where there is no second
# number
ONE_BLANK = re.compile(r"(?<![\d.,])(?<!\d )(-?[$€£]?[1-9]\d{0,2}) (\d{3})(?=\D*$)(?!\s?/)")
# `5:00`, `5:00 p.m.` answer with 5; `5:30` stays a time
CLOCK = re.compile(
    r"(?<![\d:])(\d{1,2}):00(?::00)?(?:\s*(?:[ap]\.?m\b\.?|o'?clock))?(?![\d:])", re.IGNORECASE
)
# `US$5`, `A$5`, `R$5`
DOLLAR_KINDS = re.compile(r"\b(?:US|AU|CA|NZ|HK|[RACS])\$")
LATEX_SIGNS = {
    "\\%": "%",
    # an amount's sign, told apart from the `$` that opens mathematics
    "\\$": "¤",
    "^{\\circ}": "°",
    "^\\circ": "°",
    "\\circ": "°",
    "\\degree": "°",
    "\\times": "×",
    "\\cdot": "·",
    "\\left": "",
    "\\right": "",
    "\\approx": "≈",
    "\\dots": "…",
    "\\ldots": "…",
    "\\displaystyle": "",
}
# `5, because 2 + 3 = 5`: the numbers of a reason are not offered
REASON = re.compile(
    r"[,;:.]?\s+(?:because|since|given that|as (?:it|he|she|they|the|there|\d)|so that)\b",
    re.IGNORECASE,
)
SAME_AS = re.compile(
    # `2 + 3 = 5`, `1/2, i.e. 0.5`, `that is, 5`; not `<=`
    r"(?<![<>!])=(?!>)|\bi\.\s?e\.,?|\bthat is,|,\s?that is\b|,?\s*\bwhich"
    r" (?:is|equals|gives|makes)\b"
    # `equal to 5`; not `greater than or equal to 5`
    r"|\bequals\b|(?<!or )\bequal to\b|→|⇒|=>",
    re.I,
)
# `1/3 ≈ 0.333`, `1/3, or approximately 0.333`
ABOUT = re.compile(
    r"≈|≃|~=|\bwhich is (?:about|approximately|roughly)\b|,?\s(?:or )?approximately\s(?=[\d$-])"
)
# `72 clips in 2 months`: what is said behind the value and its unit is no second value
CIRCUMSTANCE = re.compile(
    r"(?:(?<=[a-zA-Z)])|(?<=,))\s+(?:for|in|after|during|on|at|each|every|from|when|where|if"
    r"|with|which|who)\b"
    # 12 sets of 5 cards
    r"|(?:(?<=[a-z]s)(?<!times)(?<!parts)\s+of|(?<=\d)\s+of the)(?=\s\d+\s[a-z]\D*$)"
    r"|(?<=[\w),])\s+(?:not|rather than|instead of)\s+[-$]?\d",
    re.IGNORECASE,
)
# `8, but with tax 9`, `15 only if x is even, otherwise 16`, `15, which is wrong`
BUT_ANOTHER = re.compile(
    r"\b(?:but(?! not)|otherwise|or else)\b.*\d|\b(?:subtracted|taken|taken away|deducted) from"
    r" \$?\d|\badded to \$?\d",
    re.IGNORECASE,
)
# `15 is clearly wrong`, `15, but that can't be`
WITHDRAWN = re.compile(
    r"\b(?:is|was|seems)\s+(?:\w+ly\s+)?(?:wrong|incorrect|false|mistaken|impossible|not\s(?:right|correct|true))\b"
    r"|\bbut (?:it|that|this) (?:(?:is|was)(?:n['’]t| not)|can['’]t be|cannot be)\b",
    re.IGNORECASE,
)
# two values on one side of an equation: `x, y = 3, 4`; the comma of `1,234` separates nothing
SEVERAL = re.compile(r"\d[^=]*(?:,(?!\d{3}(?!\d))|;|\band\b|\bor\b)", re.IGNORECASE)
# words in front of a number that make it a bound (`at most 5`, `> 5`), a part of a calculation that
# is not done (`half of 5`, `the sum of 5`), a denial (`not 5`) or a label (`step 5`)
BEFORE_THE_VALUE = re.compile(
    r"\b(?:not|never|n't|(?:more|less|fewer|greater|larger|smaller|higher|lower|other"
    r"|rather) than|at (?:the )?(?:very )?(?:least|most|minimum|maximum)|up to"
    r"|no longer|as (?:many|much|few|little) as|quarter\s+(?:past|to|of)|at (?:worst|best)"
    r"|divisible|undefined|coprime|impossible|no"
    r" solutions?|(?:a|one)\s(?:third|fourth|fifth|tenth)\sof"
    r"|(?:bounded|capped|limited) (?:\w+ )?(?:by|at|to)|(?:negative|minus)(?=\s*\(\s*$)"
    r"|nearly|almost|far from|close to|near|rarely|seldom|thought to be|over|under|above|below"
    r"|half|twice|double|triple|neither|except|minimum of"
    r"|(?:(?<!an )average|mean|median|(?<!a )sum|product|difference|quotient|ratio|remainder)s?"
    r" (?:of|between)(?=\W*$)"
    r"|maximum of|multiple of"
    r"|(?:square|cube|reciprocal|inverse|opposite|negative|factor|divisor|power|multiple"
    r"|fraction)s?\s+of"
    r"|anything but|cannot|can't|isn't|wrong|incorrect)\b|[<>≤≥±≠]|\\(?:geq?|leq?|neq?|pm|[gl]t)\b"
    r"|\b(?:step|part|note|question|problem|exercise|example|figure|fig|case|equation|section"
    r"|option|room|page|version"
    r"|chapter|level|item|no|(?<!the )number)s?[\s.#:]*$",
    re.IGNORECASE,
)
# The number is ¦ here. Behind it: `¦ or more`, `¦ times as many`, `¦ squared`, `¦ and a half`,
# `¦-fold`, `¦+`, `¦th prime`.
BEHIND_THE_VALUE = re.compile(
    r"¦[^¦]*?(?:\b(?:or|and)\s+(?:more|less|fewer|greater|above|below|over|under|higher|lower"
    r"|up|so|upwards?|larger|smaller)"
    r"|\b(?:plus|minus)\b|\btimes\s+(?:as|more|less|the|larger|smaller|greater|bigger)"
    r"|\bsquared|\bcubed|\bfactorial|\bdoubled|\btripled|\bhalved|\btimes\s+itself"
    r"|\b(?:minimum|maximum|at\s+(?:the\s+)?(?:very\s+)?(?:least|most))\b|\band\s+(?:an?\s+)?(?:half"
    r"|quarter|third|bit|change)\b|\band then some\b|\bis\s+(?:wrong|incorrect|false"
    r"|not|impossible|mistaken|unlikely)\b|\bunless\b|\bdepending on\b)|¦\s?-odd\b"
    r"|¦\s*-?(?:fold|ish|score|gross|mil|myriads?|per mille?|‰)(?!\w)|¦\s?\+"
    r"|¦\s?(?:st|nd|rd|th)s\b|¦\s?(?:st|nd|rd|th)\s+(?:prime|term|root|power|multiple|number|square|cube)\b",
    re.IGNORECASE,
)
# a number beside one of these is still to be worked out, by algebra: `root 2`, `2 pi`
MATHS = (
    "root roots sqrt pi ln log logarithm sin sine cos cosine tan tangent exp euler infinity"
    " infinite factorial squared cubed power modulo mod"
)
MATHS_WORDS = frozenset(MATHS.split())
# plurals that scale or change the number in front of them
NO_UNITS = frozenset(
    {f"{word}s" for word in (*MAGNITUDES, *PARTS)}
    | MATHS_WORDS
    | {"plus", "minus", "times", "less", "gross", "percents"}
)
# words without which no pattern for reasons, or for a chain of equal sides, can match: most answers
# have none
REASON_WORDS = frozenset({"because", "since", "given", "as", "so"})
EQUAL_WORDS = frozenset({"i", "that", "which", "equals", "equal", "approximately"})
# without any of these the slow patterns above are not tried
EQUAL_SIGNS = frozenset("=≈≃→⇒")
# between two numbers: `2 + 3`, `5 x 4`, `2 times 3`
CALCULATION = re.compile(
    r"[-+*/×·÷]|\\(?:times|cdot|div)\b|^\s*[xX]\s*$"
    r"|\b(?:plus|minus|times|multiplied|divided|squared|cubed|modulo|mod|more than|less than)\b",
    re.I,
)
# a unit with a power, whose digit is no value: `5 cm^2`, `5 m2`
UNIT = re.compile(
    r"\b(?:[munck]?m|cm|km|in|ft|yd|mi|feet|foot|inch(?:es)?|yards?|miles?|units?|(?:centi|kilo"
    r"|milli)?met(?:er|re)s?|s"
    r"|sec|seconds?)(?:\s*\^\s*\{?-?\d\}?|\d\b)",
    re.I,
)
# a letter alone is a variable, unless it is a unit behind the number (5 m) or an article
VARIABLE = re.compile(
    r"(?<![A-Za-z'’])(?![smghlLCFKNJWV])(?:(?<=\d)[A-Za-z]|(?<!\d)(?!a\s|A\s"
    r"|I\s)[A-Za-z])(?![A-Za-z'’.])"
)
# 2ab, 3xy
PRODUCT_OF_NAMES = re.compile(
    r"(?<=\d)(?!cc)[abcxyz]{2,3}\b|(?<=\d )(?:xyz?|yz)\b"
    r"|(?<=[-+*/\d] )(?:alpha|beta|gamma|delta|epsilon|theta|lambda|sigma|omega|phi)\b(?!\s[a-z])"
)
# `s` or `m` that does not stand behind a number is a variable and no unit: `5 + m`
UNIT_LETTER_APART = re.compile(
    r"(?:^|[^\w¦\s/°])\s*[smghlLCFKNJWV](?![A-Za-z'’.])"
    r"|(?<!¦)(?<!¦\s)\b[smghLCFKNJWV](?=\s*[-+*/=])"
)
GLUED_BRACKET = re.compile(
    r"\b[A-Za-z]'*\(\s*¦|"  # f(2)
    r"[-+*/×·÷^]\s*\(|\)\s*[-+*/×·÷^(¦]|¦\s?\(|¦\s*[-+*×·÷]\s*[A-Za-z](?![A-Za-z]|\s[a-z])"
    r"|[A-Za-z]\s*[-+*×·÷]\s*¦"
)
THOUSANDS_K = re.compile(r"¦ ?[kK]\b")  # 5k may be 5,000
# `negative 5`, `about minus 5`
MINUS_WORD = re.compile(
    r"^(\W*)(?:(?:approximately|about|around|roughly|an?)\s+)?(?:negative|minus)\s+(?=[\d$.])",
    re.IGNORECASE,
)
# `- 5` becomes `-5`
APART_SIGN = re.compile(r"^-\s*(?:approximately|about|around|roughly)?\s+(?=[\d$.])", re.IGNORECASE)
# for plain calculations in words
SIGN_OF = {"plus": "+", "minus": "-", "times": "*"}
OPERATORS = re.compile(r"\b(?:plus|minus|times)\b", re.IGNORECASE)
# the left side of an equation that names what is sought: x, n_1, f(2), the total, P(X > 2), \angle
# ABC, |AB|
NAME = re.compile(r"[\s\w'’.,$°|\\{}_]*(?:\([^()=]{0,40}\))?\s*")


@dataclass(frozen=True)
class Number:
    """An exact value; `percent` if a percent sign followed; `decimals` None for fractions.

    `also` holds other forms of the same value that were offered with it: 1/3 ≈ 0.333, 0.5 (or 50%).
    """

    value: Fraction
    percent: bool = False
    decimals: int | None = 0
    also: tuple["Number", ...] = ()


def is_same_number(answer: Number, reference: Number) -> bool:
    """Whether two numbers are equal, up to 1e-6 (relative) where one is rounded.

    0.5 meets 50% only where the reference has a percent sign.
    """
    if any(is_same_number(other, reference) for other in answer.also):
        return True
    if _close(answer, reference):
        return True
    # Only this way round: a reference of 0.5 is not met by 50%, because a question that asks for a
    # share says so.
    if reference.percent and not answer.percent:
        decimals = None if reference.decimals is None else reference.decimals + 2
        return _close(answer, Number(reference.value / 100, decimals=decimals))
    return False


def _close(answer: Number, reference: Number) -> bool:
    """Whether two numbers differ by rounding alone: at most 1e-6, and one shown last place."""
    if answer.decimals == reference.decimals:
        return answer.value == reference.value
    apart = abs(answer.value - reference.value)
    # relative, so that 1e-6 means six digits of small and of large values alike
    if not apart or apart * 1_000_000 > abs(reference.value):
        return not apart
    # two values that both end after few places are exact, and then differ
    exact = _places(answer.value) == _places(reference.value) is not None or (
        answer.decimals in (0, None) and reference.decimals in (0, None)
    )
    shown = min(
        places for places in (answer.decimals, reference.decimals, 99) if places is not None
    )
    last_place = Fraction(1, 10**shown) if 0 < shown < 99 else Fraction(1, 10**4)
    return not exact and apart <= last_place


def _places(value: Fraction) -> int | None:
    """Decimal places of a terminating value of few places, else None."""
    return next((places for places in range(13) if (value * 10**places).denominator == 1), None)


def number_offered(words: str) -> Number | NoNumber:
    """The one number that the words offer as an answer."""
    number = _simple(words)
    if number is not None:
        return number
    words = simplified(words)
    said = LETTERS.findall(words.lower())
    reason = None if REASON_WORDS.isdisjoint(said) else REASON.search(words)
    if reason and any(character.isdigit() for character in words[: reason.start()]):
        words = words[: reason.start()]
    if WITHDRAWN.search(words):
        return "not_an_answer"
    if EQUAL_WORDS.isdisjoint(said) and EQUAL_SIGNS.isdisjoint(words):
        return _one_side(words.strip(" ,;:"))
    forms = [side.strip(" ,;:") for side in ABOUT.split(words)]
    if len(forms) == 2 and forms[0]:
        return _with_approximation(_sides(forms[0]), _sides(forms[1]))
    return _sides(words)


def _simple(words: str) -> Number | None:
    """A number that stands alone or with a plural that is no number word itself."""
    simple = SIMPLE.fullmatch(words)
    if simple is None or simple[4] in NO_UNITS:
        return None
    digits = simple[2].replace(",", "")
    value = Fraction(digits) if "." in digits else Fraction(int(digits))
    return Number(
        -value if simple[1] == "-" else value, simple[3] is not None, len(digits.partition(".")[2])
    )


def _with_approximation(exact: Number | NoNumber, rounded: Number | NoNumber) -> Number | NoNumber:
    """`1/3 ≈ 0.333` offers both, where the second is the first as rounded."""
    if not isinstance(rounded, Number):
        return (
            "algebra" if rounded == "algebra" else exact if isinstance(exact, Number) else rounded
        )
    if not isinstance(exact, Number):
        return rounded if exact in ("not_an_answer", "not_evaluated") else exact
    same = _is_rounded(rounded, exact)
    return Number(exact.value, exact.percent, exact.decimals, (rounded,)) if same else "ambiguous"


def _is_rounded(rounded: Number, exact: Number) -> bool:
    """Whether one value is the other, rounded or cut off: 0.67 or 0.66 for 2/3, not 0.7 for 0.6."""
    apart, place = abs(exact.value - rounded.value), Fraction(1, 10 ** (rounded.decimals or 0))
    return 2 * apart <= place or (apart < place and abs(rounded.value) < abs(exact.value))


def _sides(words: str) -> Number | NoNumber:
    """The value of a chain of equal sides: the last side counts, and none before it contradicts."""
    sides = [side.strip(" ,;:") for side in SAME_AS.split(words)]
    if any(SEVERAL.search(side) for side in sides[:-1]):
        return "ambiguous"
    offered = _one_side(sides[-1])
    if len(sides) == 1:
        return offered
    if not isinstance(offered, Number):
        before = _one_side(sides[-2])
        total = value_of_sum(sides[-1])
        said_why = offered == "not_an_answer" or "which" in words or total is not None
        if isinstance(before, Number) and total not in (None, before.value):
            return "ambiguous"  # 12, which is 3 times 5
        return before if isinstance(before, Number) and said_why else offered
    if BEFORE_THE_VALUE.search(sides[-2]):
        return "not_an_answer"
    before = _one_side(sides[0]) if len(sides) == 2 else "algebra"
    if isinstance(before, Number) and isinstance(
        both := _with_aside(before, sides[1], sides[0]), Number
    ):
        return both  # 120 minutes, which is 2 hours
    return offered if _names_the_value(sides[0], offered) else "algebra"


def _names_the_value(side: str, offered: Number) -> bool:
    """Whether the first side is a name or the same value; `x^2 = 4` says nothing about 4."""
    if NAME.fullmatch(side) and not re.search(r"\d\s*[a-z](?![a-z])|\d\s*\\[a-z]", side):
        other = _one_side(side)
        return not isinstance(other, Number) or other.value == offered.value
    offer = _one_side(side)
    return offer in ("not_evaluated", "not_an_answer") or (
        isinstance(offer, Number) and offer.value == offered.value
    )


def simplified(words: str) -> str:
    """The words without LaTeX and Markdown; plain fractions as a/b, words of sign as a sign."""
    words = plain(words)
    if "\\" in words:
        words = UNIT_FRACTION.sub(" unit", words)
        words = FRACTION.sub(lambda m: f" {m[1] or m[2]}/{m[3] or m[4]}", words)
        for latex, sign in LATEX_SIGNS.items():
            words = words.replace(latex, sign)
    words = undressed(words)
    if words.count("$") != 1:
        words = (
            re.sub(r"\$(?=\s*$)|\$(?=[-\\\d.\s][^$]*\$)", " ", words)
            if words.count("$") % 2 == 0
            else words
        )
        words = DOLLARS.sub(" ", words) if "\\" in words else words
    words = words.replace("¤", "$").replace("~", " ")
    words = DOLLAR_KINDS.sub("$", words) if "$" in words else words.replace("{,}", ",")
    words = UNIT.sub(" unit", words)
    words = CLOCK.sub(r"\1 hours", words) if ":00" in words else words
    words = words.strip().rstrip('.,;:!?"').lstrip('"“ ').replace("′", "'")
    return words if DERIVED.fullmatch(words) else words.rstrip("'").lstrip("'‘ ")


def _one_side(words: str) -> Number | NoNumber:
    number = _simple(words)
    if number is not None:
        return number
    outside, inside = _apart_from_brackets(words)
    if inside is not None and _has_value(outside):
        this = _one_side(outside)
        return _with_aside(this, inside, outside) if isinstance(this, Number) else this
    if re.fullmatch(r"[(\[{][^()]*[,;][^()]*[)\]}]", words):
        return "ambiguous"  # (1,234) is a pair
    one, _, other = words.partition(" or ")
    if other and " or " not in other and _has_value(other):
        this = _one_side(one.rstrip(","))
        if isinstance(this, Number):
            return _with_aside(this, f"or {other}", one)
    words = in_digits(words)
    words = APART_SIGN.sub("-", MINUS_WORD.sub(r"\1-", words))
    words = DOLLARS_AND_CENTS.sub(
        lambda match: f"${match[1]}.{match[2]:0>2}", ONE_BLANK.sub(r"\1\2", words, count=1)
    )
    first = QUANTITY.search(words)
    if first and BUT_ANOTHER.search(words, first.end()):
        return "ambiguous"
    if first:
        circumstance = CIRCUMSTANCE.search(words, first.end())
        words = words[: circumstance.start()] if circumstance else words
    return _single_quantity(words)


def _has_value(words: str) -> bool:
    return any(character.isdigit() for character in in_digits(words))


def _with_aside(this: Number, inside: str, outside: str) -> Number | NoNumber:
    """The value with an aside that says it again: `72 (48+24)`, `0.5 (or 50%)`.

    `72 (or 73)` says two values.
    """
    if re.match(
        r"\s*(?:rounded|since|because|from|as|after|not\s+(?:counting|including))\b", inside
    ):
        return this
    if re.match(
        r"\s*(?:at (?:least|most)|or (?:more|less|fewer)|minimum|maximum|up to|not\s*$|wrong)",
        inside,
    ):
        return "not_an_answer"
    alternative = re.match(
        r"\s*(?:or|i\.e\.,?|that is,?|which is|equal to|equals|=|≈|about|approximately)\s*", inside
    )
    bare = inside[alternative.end() :] if alternative else inside
    other = number_offered(bare)
    if isinstance(other, Number):
        quantity = same_quantity(this.value, outside, other.value, inside)
        same = other.value == this.value if quantity is None else quantity
        percent = (other.percent and other.value == 100 * this.value) or (
            this.percent and this.value == 100 * other.value
        )
        rounded = bool(other.decimals) and _is_rounded(other, this)
        return (
            Number(this.value, this.percent, this.decimals, (other,))
            if same or percent or rounded
            else "ambiguous"
        )
    parts = [Fraction(part) for part in re.findall(r"\d+", inside)]
    if not _has_value(inside) or value_of_sum(simplified(bare)) == this.value:
        return this
    if not alternative and "." not in inside and sum(parts) == this.value:
        return this  # 8 apples (5 red and 3 green)
    return (
        "ambiguous"
        if alternative or other == "ambiguous"
        else this
        if other == "not_evaluated"
        else "algebra"
    )


def _apart_from_brackets(words: str) -> tuple[str, str | None]:
    match = re.search(r"\s\(([^()]*)\)\s*[.,]?$|(?<=[a-zA-Z%°])\(([^()]*)\)\s*[.,]?$", words)
    return (
        (words[: match.start()], match[1] or match[2])
        if match and match.start() > 0
        else (words, None)
    )


def _single_quantity(words: str) -> Number | NoNumber:
    found = list(QUANTITY.finditer(words))
    powers = bool(found) and all(match["power"] for match in found)
    if any(sign in words for sign in "\\√∛∜π∞{}_|") or ("^" in words and not powers):
        return "not_evaluated" if _is_calculation(words, found) else "algebra"
    if not found:
        return "algebra" if VARIABLE.fullmatch(words) else "not_an_answer"
    residue = " ".join(QUANTITY.sub(" ¦ ", words).split())
    if ("k" in words or "K" in words) and THOUSANDS_K.search(QUANTITY.sub("¦", words)):
        return "not_an_answer"
    glued = {match["glue"][:1] for match in found} - {""}
    if glued:
        return (
            "algebra"
            if "^" in glued or "!" in glued
            else "not_an_answer"
            if "+" in glued
            else "ambiguous"
        )
    if not MATHS_WORDS.isdisjoint(LETTERS.findall(residue.lower())):
        return "algebra"
    if _is_calculation(words, found) or re.search(
        r"¦\s*(?:squared|cubed)\b", residue, re.IGNORECASE
    ):
        return "not_evaluated"
    if GLUED_BRACKET.search(residue) or any(_takes_away(match, words) for match in found):
        return "algebra"
    if BEFORE_THE_VALUE.search(residue.partition("¦")[0]) or BEHIND_THE_VALUE.search(residue):
        return "not_an_answer"
    if (
        any(sign in residue for sign in "=±<>≤≥")
        or "¦ '" in residue
        or "…" in residue.partition("¦")[2]
    ):
        return "not_an_answer"
    return _only_value(words, found, residue)


def _takes_away(match: re.Match[str], words: str) -> bool:
    """Whether the sign in front of a number is an operator behind a letter: `A - 2`."""
    return (
        bool(match["sign"])
        and re.search(r"(?:^|[\s$])[A-Za-z]\s*$", words[: match.start()]) is not None
    )


def _only_value(words: str, found: list[re.Match[str]], residue: str) -> Number | NoNumber:
    values = [_value(match) for match in found]
    if any(value is None for value in values):
        return "not_an_answer"
    numbers = [value for value in values if value is not None]
    if len({(number.value, number.percent) for number in numbers}) > 1:
        return "ambiguous"
    if any(character.isdigit() for character in residue):
        return "not_an_answer"
    if residue.strip() == "¦":
        return numbers[0]
    behind = QUANTITY.sub(lambda match: "5" if match.group()[-1].isdigit() else "¦", words)
    if (
        PRODUCT_OF_NAMES.search(behind)
        or VARIABLE.search(behind)
        or UNIT_LETTER_APART.search(residue)
    ):
        return "algebra" if len(found) == 1 else "ambiguous"
    return numbers[0]


def _is_calculation(words: str, found: list[re.Match[str]]) -> bool:
    for one, next_one in pairwise(found):
        between = words[one.end() : next_one.start()]
        if CALCULATION.search(between) or (
            not between.strip() and (next_one["sign"] or next_one["sign2"])
        ):
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
        return (
            None
            if bottom == 0
            else (int(match["whole"]) + Fraction(int(match["mixed_top"]), bottom), None)
        )
    if match["top"]:
        bottom_value = _fraction(match["bottom"])
        return None if bottom_value == 0 else (_fraction(match["top"]) / bottom_value, None)
    return _scaled(match["number"], match["exponent"] or "0")


def _scaled(digits: str, exponent: str) -> tuple[Fraction, int] | None:
    if len(exponent) > 5 or abs(int(exponent)) > MAX_EXPONENT:
        return None
    read = _fraction(digits)
    value = read * Fraction(10) ** int(exponent)
    return value, max(0, len(_english(digits).partition(".")[2]) - int(exponent))


def _fraction(digits: str) -> Fraction:
    return Fraction(_english(digits))


def _english(digits: str) -> str:
    """A numeral of any locale in English form: 1.234,50 becomes 1234.50."""
    if digits.isdigit():
        return digits
    digits = digits.replace("'", "").replace(" ", "")
    if digits.count(".") > 1:
        return digits.replace(".", "").replace(",", ".")
    if "." in digits and digits.rfind(",") > digits.find("."):
        return digits.replace(".", "").replace(",", ".")
    if re.search(r"^\d+,\d{1,2}$", digits):
        return digits.replace(",", ".")
    return digits.replace(",", "")


def value_of_sum(words: str) -> Fraction | None:
    """The value of a plain calculation of + - * / without brackets; None for anything else."""
    words = OPERATORS.sub(lambda match: SIGN_OF[match.group().lower()], in_digits(words))
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
