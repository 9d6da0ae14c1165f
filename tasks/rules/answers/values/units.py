"""Units of one dimension, so that `90 minutes (1.5 hours)` is one quantity said twice."""

import re
from fractions import Fraction

# factor to the first unit of the line; a line is a dimension
DIMENSIONS: tuple[dict[str, Fraction], ...] = tuple(
    {name: Fraction(factor) for names, factor in line for name in names.split()}
    for line in (
        [
            ("second seconds sec secs s", 1),
            ("minute minutes min mins", 60),
            ("hour hours hr hrs h", 3600),
            ("day days", 86400),
            ("week weeks", 604800),
        ],
        [("month months", 1), ("year years", 12)],
        [
            ("mm millimeters millimetres", 1),
            ("cm centimeters centimetres", 10),
            ("m meters metres meter metre", 1000),
            ("km kilometers kilometres", 10**6),
        ],
        [
            ("inch inches in", 1),
            ("foot feet ft", 12),
            ("yard yards yd", 36),
            ("mile miles mi", 63360),
        ],
        [("mg", 1), ("g gram grams", 1000), ("kg kilogram kilograms", 10**6)],
        [("ounce ounces oz", 1), ("pound pounds lb lbs", 16), ("ton tons", 32000)],
        [("ml milliliters millilitres mL", 1), ("l L liter liters litre litres", 1000)],
        [("cup cups", 1), ("pint pints", 2), ("quart quarts", 4), ("gallon gallons", 16)],
        [("cent cents ¢", 1), ("dollar dollars $", 100)],
        [("piece pieces item items egg eggs", 1), ("pair pairs", 2)],
    )
)
WORD = re.compile(r"[A-Za-z]+|[$¢]")


def same_quantity(one: Fraction, one_words: str, other: Fraction, other_words: str) -> bool | None:
    """Whether two values with units are one quantity; None where the units do not tell."""
    for dimension in DIMENSIONS:
        factors = [_factor(words, dimension) for words in (one_words, other_words)]
        if factors[0] is not None and factors[1] is not None:
            return one * factors[0] == other * factors[1]
    return None


def _factor(words: str, dimension: dict[str, Fraction]) -> Fraction | None:
    return next((dimension[word] for word in WORD.findall(words) if word in dimension), None)
