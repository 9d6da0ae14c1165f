"""English number words as digits: "twenty-one apples" becomes "21 apples"."""

import re

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
DECADES = "twenty thirty forty fifty sixty seventy eighty ninety"
ONES = {word: value for value, word in enumerate(UNITS.split())}
TENS = {word: 10 * value for value, word in enumerate(DECADES.split(), 2)}
POWERS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
# the longest first, or `sixteen` would be read as `six`
WORD = "|".join(sorted([*ONES, *TENS, "hundred", *POWERS], key=len, reverse=True))
# `forty-two`, `one hundred and five`; not `one of them`, and of `two and a half` only `two`
RUN = re.compile(
    rf"(?!one\s+of\b)\b(?:{'|'.join([*ONES, *TENS])})"
    rf"(?:(?:\s+and\s+(?!an?\b)|[\s-]+)(?:{WORD}))*\b",
    re.IGNORECASE,
)
AND = re.compile(r"\s+and\s+", re.IGNORECASE)
# the bottom of a fraction in words: `two thirds` is 2/3
PARTS = {
    "half": 2,
    "halve": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
}
PARTS.update(
    {
        "eighth": 8,
        "ninth": 9,
        "tenth": 10,
        "twelfth": 12,
        "twentieth": 20,
        "hundredth": 100,
        "thousandth": 1000,
    }
)
PARTS.update(
    {
        "eleventh": 11,
        "fifteenth": 15,
        "sixteenth": 16,
        "thirtieth": 30,
        "fortieth": 40,
        "fiftieth": 50,
    }
)
PARTS.update(
    {"thirteenth": 13, "fourteenth": 14, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19}
)
PARTS.update({"millionth": 10**6, "billionth": 10**9})
PART = "|".join(sorted(PARTS, key=len, reverse=True))
# "2 and a half", "1 and 3 quarters"; "3 quarters", "5-tenths"; a bare "half"; "half a million"
# loses its article
MIXED = re.compile(rf"(?<![\w./,])(\d+)\s+and\s+(an?|\d+)[\s-]+({PART})s?\b", re.IGNORECASE)
# `3 quarters`, `2-thirds`; not `1 third place`, and not `1 half of 20`, which is still to be worked
# out
SIMPLE = re.compile(
    rf"(?<![\w./,])(\d+)[\s-]+({PART})(?:s\b|\b(?!\s+(?:of\s+)?\d))(?!\s+place)", re.IGNORECASE
)
# `half`, `a third`, where nothing is left to take the part of
ALONE = re.compile(
    rf"(?<![\w./,-])(?:an?\s+({PART})|(half))\b(?=\s*(?:$|[.,;!)]|(?:of\s+)?an?\b))", re.IGNORECASE
)
# before MIXED, which needs a word or a number in front of `half`
MIXED_HALF = re.compile(r"(?<![\w.,])(\d+)\s+and\s+(?:an?\s+)?half\b", re.IGNORECASE)
# `a dozen` is one dozen
A_POWER = re.compile(r"\b(?:an?)\s+(dozen|hundred|thousand|million|billion)\b", re.IGNORECASE)
# `half a million`: the article goes, so that a magnitude follows its number
HALF_A = re.compile(
    r"(?<=1/2)\s+an?\s+(?=(?:dozen|hundred|thousand|million|billion)\b)", re.IGNORECASE
)


NUMBER_WORDS = frozenset(
    {*ONES, *TENS, *POWERS, *PARTS, *(f"{part}s" for part in PARTS), "dozen", "hundred"}
)
LETTERS = re.compile(r"[a-z]+")


def in_digits(words: str) -> str:
    """The same words with runs of number words in digits; a run that is no number stays."""
    if NUMBER_WORDS.isdisjoint(LETTERS.findall(words.lower())):
        return words
    # In this order: whole numbers first, because the fractions are built from their digits.
    words = RUN.sub(lambda run: _digits(run.group()), words)
    words = MIXED_HALF.sub(r"\1 1/2", words)
    words = MIXED.sub(
        lambda m: f"{m[1]} {m[2] if m[2].isdigit() else 1}/{PARTS[m[3].lower()]}", words
    )
    words = SIMPLE.sub(lambda m: f"{m[1]}/{PARTS[m[2].lower()]}", words)
    if not any(character.isdigit() for character in words):
        words = ALONE.sub(lambda m: f"1/{PARTS[(m[1] or m[2]).lower()]}", words)
        words = A_POWER.sub(r"1 \1", words) if "1/" not in words else words
    return HALF_A.sub(" ", words)


def _digits(run: str) -> str:
    total, current, last = 0, 0, 10**9
    for word in re.findall(WORD, run.lower()):
        if word in POWERS:
            total, current, last = total + max(current, 1) * POWERS[word], 0, 1000
        elif word == "hundred":
            current, last = max(current, 1) * 100, 100
        else:
            value = ONES.get(word, TENS.get(word, 0))
            # `twenty one` is 21; `one twenty` and `five six` are no number but several
            if value >= last or (last < 20 and last != 10**9) or (last < 100 and value >= 10):
                return " and ".join(map(_digits, AND.split(run))) if AND.search(run) else run
            current, last = current + value, value
    return str(total + current)
