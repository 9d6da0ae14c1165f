"""Texts are equal up to NFKC, case, whitespace, surrounding quotes and final punctuation; lists by their separators."""

import re
import unicodedata

from tasks.rules.comparison import AMBIGUOUS, DIFFERS, EQUAL, Compared
from tasks.rules.final_answer import Stated
from tasks.rules.spelling import undressed

QUOTES = "\"'`“”‘’«»‹›„"
FINAL = ".,;:!?。"
APOSTROPHES = str.maketrans("’‘ʼ", "'''")
SEPARATOR = re.compile(r"\s*(?:[,;、]\s*(?:and\s+)?|\s+and\s+|\n+)\s*")
REASON = re.compile(r",?\s+(?:because|since)\s")
OFFERED_TWICE = re.compile(r"\s+or\s+|\s*/\s*")


def compare_texts(stated: Stated, reference: str) -> Compared:
    """By the sentence, by the line, and by what stands before a reason."""
    wanted = plain_text(reference)
    readings = {plain_text(words) for words in (stated.words, stated.line, REASON.split(stated.words)[0])}
    if len(wanted) == 1:
        readings.add(plain_text(re.split(r"\.\s", stated.line)[0]))
    if wanted in readings:
        return EQUAL
    items = list_items(reference)
    if len(items) > 1 and any(list_items(words) == items for words in (stated.words, stated.line)):
        return EQUAL
    offered = {plain_text(part) for part in OFFERED_TWICE.split(stated.words.removeprefix("either "))}
    return AMBIGUOUS if len(offered) > 1 and wanted in offered else DIFFERS


def plain_text(words: str, *, fold: bool = True) -> str:
    """The form in which equal texts are the same string (`fold`: whatever their case); never empty for signs alone."""
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
