"""Spelling, not meaning: one plain form for the many ways in which models dress an answer.

LaTeX, Markdown and Unicode dress off; text out. Superscripts and vulgar fractions are spelled out first, because
NFKC would glue their digits to their neighbours (5² must not become 52).
"""

import re
import unicodedata

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
VULGAR = re.compile("[¼½¾⅐-⅞]")
MINUS = re.compile("[‐‑−‒–—﹣－➖]")
WRAPPERS = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf|tt|normal)|mbox|operatorname)\s*\{([^{}]*)\}"
)
SPACES = re.compile(r"\\[,;:! ]|\\q?quad\b|~")
THIN_SEPARATOR = re.compile("(?<=\\d)(?:\\\\,|\\\\ |\\\\!|~|\u202f|\u00a0|\u2009|\\{,\\})(?=\\d{3}(?!\\d))")
DOLLARS = re.compile(r"(?<!\\)\$")
MARKDOWN = re.compile(r"(?<![\w*])(\*{1,3}|_{1,2})(?=\S)([^*_]+?)(?<=\S)\1(?![\w*])")


def plain(words: str) -> str:
    """NFKC text with superscripts as ^2, vulgar fractions as 1/2 and every dash as a hyphen."""
    if words.isascii():
        return words
    words = SUPERSCRIPT_RUN.sub(lambda run: "^" + run.group().translate(SUPERSCRIPTS), words)
    words = VULGAR.sub(lambda sign: " " + unicodedata.normalize("NFKC", sign.group()), words)
    words = MINUS.sub("-", unicodedata.normalize("NFKC", THIN_SEPARATOR.sub(",", words)))
    return words.replace("⁄", "/")


def undressed(words: str) -> str:
    """Without Markdown emphasis, code quotes, maths delimiters and text commands; what it says stays."""
    words = THIN_SEPARATOR.sub(",", words)
    words = MARKDOWN.sub(r"\2", words).replace("`", "").strip()
    words = words.strip("*").strip() if words.startswith("**") or words.endswith("**") else words
    if "\\" in words:
        words = words.replace("\\(", " ").replace("\\)", " ").replace("\\[", " ").replace("\\]", " ")
        for _ in range(3):
            words = WRAPPERS.sub(r" \1 ", words)
        words = SPACES.sub(" ", words)
    return words.strip()
