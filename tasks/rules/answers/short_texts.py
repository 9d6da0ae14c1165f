"""Short texts: equal up to case, blanks, quotes and final punctuation; lists item by item."""

import re
import unicodedata

from tasks.rules.answers.compared import AMBIGUOUS, DIFFERS, EQUAL, Compared
from tasks.rules.answers.final_answer import Stated
from tasks.rules.answers.values.spelling import undressed

# of English, French and German typography
QUOTES = "\"'`“”‘’«»‹›„"
FINAL = ".,;:!?。"
APOSTROPHES = str.maketrans("’‘ʼ", "'''")
# `red, blue and green`, `red; blue`, one item per line
SEPARATOR = re.compile(r"\s*(?:[,;、]\s*(?:and\s+)?|\s+and\s+|\n+)\s*")
# `Paris, because ...`: the text ends before its reason
REASON = re.compile(r",?\s+(?:because|since)\s")
# `it is certainly the Nile` and `Nile` are one text; applied to both sides
HARMLESS = re.compile(
    r"(?:(?:certainly|definitely|clearly|obviously|simply|probably|most likely|of course"
    r"|therefore|thus|no doubt"
    r"|it is|it's|called|known as|the word|the phrase),?\s+|the\s+)+"
)
# `Paris or Rome`, `Paris/Rome` offer two texts
OFFERED_TWICE = re.compile(r"\s+or\s+|\s*/\s*")


def compare_texts(stated: Stated, reference: str) -> Compared:
    """By the sentence, by the line, and by what stands before a reason."""
    wanted = plain_text(reference)
    readings = {
        plain_text(words) for words in (stated.words, stated.line, REASON.split(stated.words)[0])
    }
    # A reference of one letter, and a line that goes on behind it: `B. The capital is Paris`.
    if len(wanted) == 1:
        readings.add(plain_text(re.split(r"\.\s", stated.line)[0]))
    if wanted in readings or without_harmless(wanted) in {
        without_harmless(reading) for reading in readings
    }:
        return EQUAL
    if any(same_list(words, reference) for words in (stated.words, stated.line)):
        return EQUAL
    offered = {
        plain_text(part) for part in OFFERED_TWICE.split(stated.words.removeprefix("either "))
    }
    return AMBIGUOUS if len(offered) > 1 and wanted in offered else DIFFERS


def without_harmless(text: str) -> str:
    """A plain text without a leading `the`, words like `certainly`, and brackets around it."""
    text = HARMLESS.sub("", text).strip(QUOTES)
    return text[1:-1] if re.fullmatch(r"\([^()]+\)", text) else text


def same_list(words: str, reference: str) -> bool:
    """Whether both have the same items in the same order.

    Commas separate items; single words may also be separated by blanks (`apple banana`).
    """
    ours, theirs = list_items(words), list_items(reference)
    if ours == theirs:
        return len(ours) > 1
    by_blanks = [item.split() for item in (" ".join(ours), " ".join(theirs))]
    apart = [len(items) > 1 and not any(" " in item for item in items) for items in (ours, theirs)]
    together = [len(items) == 1 for items in (ours, theirs)]
    return by_blanks[0] == by_blanks[1] and (
        (apart[0] and together[1]) or (apart[1] and together[0])
    )


def plain_text(words: str, *, fold: bool = True) -> str:
    """The form in which equal texts are one string, also in case with `fold`; never empty."""
    folded = undressed_text(words)
    if not folded.isascii():
        folded = unicodedata.normalize("NFKC", folded)
    if fold:
        folded = unicodedata.normalize("NFKC", folded.casefold())
    folded = " ".join(folded.translate(APOSTROPHES).split())
    stripped = folded
    while True:
        shorter = stripped.strip(QUOTES).rstrip(FINAL).strip()
        if shorter == stripped:
            break
        stripped = shorter
    return stripped or folded


def undressed_text(words: str) -> str:
    """Without LaTeX text commands, Markdown emphasis and maths delimiters around it."""
    words = undressed(words)
    if len(words) > 2 and words[0] == words[-1] == "$":
        words = words[1:-1]
    if len(words) > 2 and words[0] == "{" and words[-1] == "}" and words.count("{") == 1:
        words = words[1:-1]
    return words


def list_items(words: str) -> list[str]:
    """The items of a list, each in plain form."""
    words = undressed_text(words).strip().rstrip(FINAL)
    if len(words) > 1 and words[0] + words[-1] in ("[]", "()", "{}"):
        words = words[1:-1]
    return [plain_text(item) for item in SEPARATOR.split(words.strip()) if item.strip()]
