"""English number words, zero to the hundreds of thousands: "twenty-one apples" in, "21 apples" out."""

import re

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
DECADES = "twenty thirty forty fifty sixty seventy eighty ninety"
ONES = {word: value for value, word in enumerate(UNITS.split())}
TENS = {word: 10 * value for value, word in enumerate(DECADES.split(), 2)}
WORD = "|".join(sorted([*ONES, *TENS, "hundred", "thousand"], key=len, reverse=True))
RUN = re.compile(rf"(?!one\s+of\b)\b(?:{WORD})(?:(?:\s+and\s+|[\s-]+)(?:{WORD}))*\b", re.IGNORECASE)


def in_digits(words: str) -> str:
    """The same words with runs of number words in digits; a run that is no number stays."""
    return RUN.sub(lambda run: _digits(run.group()), words)


def _digits(run: str) -> str:
    total, current, last = 0, 0, 10**9
    for word in re.findall(WORD, run.lower()):
        if word == "thousand":
            total, current, last = total + max(current, 1) * 1000, 0, 1000
        elif word == "hundred":
            current, last = max(current, 1) * 100, 100
        else:
            value = ONES.get(word, TENS.get(word, 0))
            if value >= last or (last < 20 and last != 10**9) or (last < 100 and value >= 10):
                return run
            current, last = current + value, value
    return str(total + current)
