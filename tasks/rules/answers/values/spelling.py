"""Spelling, not meaning: one plain form for the many ways in which models dress an answer.

LaTeX, Markdown, HTML and Unicode dress off; text out. Superscripts and vulgar fractions are spelled
out first, because NFKC would glue their digits to their neighbours (5² must not become 52).
"""

import re
import unicodedata
from fractions import Fraction

# only what stands as an exponent; subscripts are names' own
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
# ½ and the like: NFKC would make `2½` the number 21⁄2, so a blank is set first
VULGAR = re.compile("[¼½¾⅐-⅞]")
# hyphens and dashes of every length; models write a minus by all of them
MINUS = re.compile("[‐‑−‒–—﹣－➖]")
# digits of other scripts: ٣, ३
OTHER_DIGITS = re.compile(r"[^\W\D0-9]")
# decimal point and thousands mark of Arabic numerals
ARABIC_MARKS = str.maketrans("٫٬", ".'")
# A thousands mark that can be nothing else (thin blanks, LaTeX spacing, {,}) becomes ': 15,\!000 ->
# 15'000.
THOUSANDS = re.compile(
    r"(?<=\d)(?:,?\s*\\[,;:! ]\s*|~|\s?\{\s?,\s?\}|\\text\{,\}"
    r"|[\u202f\u00a0\u2009\u2007])(?=\d{3}(?!\d))|(?<=\d)’(?=\d{3}(?!\d))"
)
# 0.\overline{3}, 1.2\dot{5}
REPEATING = re.compile(
    r"(?<![\d.,])(\d{0,30})\.(\d{0,30})\\(?:overline|bar|dot)\s*\{?\s*(\d{1,30})(?:\}|(?<=\w)(?!\w))"
)
# `\text{ cm}`, `\mathrm{d}`: the command goes, its words stay
WRAPPERS = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf|tt|normal)|mbox"
    r"|operatorname)\s*\{([^{}]*)\}"
)
# `\,` and `\quad`; not the `\\` that ends a line
SPACES = re.compile(r"(?<!\\)\\[,;:! ]|\\q?quad\b|~")
# of mathematics, not the `\$` of an amount
DOLLARS = re.compile(r"(?<!\\)\$")
# `**21**`, `_x_`; not `2*3*4` and not `snake_case_name`
MARKDOWN = re.compile(r"(?<![\w*])(\*{1,3}|_{1,2})(?=\S)([^*_]+?)(?<=\S)\1(?![\w*])")
# tags that dress text; `<5` and `x < y` are mathematics
HTML_TAG = re.compile(
    r"</?(?:b|i|u|em|strong|span|code|p|div|mark|answer|br)(?:\s[^<>]{0,80})?/?>", re.IGNORECASE
)


def plain(words: str) -> str:
    """NFKC text with ASCII digits, superscripts as ^2, fractions as 1/2, dashes as hyphens."""
    if "\\" in words or "~" in words or "{," in words:
        words = REPEATING.sub(_fraction, THOUSANDS.sub("'", words))
    if words.isascii():
        return words
    words = THOUSANDS.sub("'", words)
    words = SUPERSCRIPT_RUN.sub(lambda run: "^" + run.group().translate(SUPERSCRIPTS), words)
    words = VULGAR.sub(lambda sign: " " + unicodedata.normalize("NFKC", sign.group()), words)
    words = (
        MINUS.sub("-", unicodedata.normalize("NFKC", words))
        .replace("⁄", "/")
        .translate(ARABIC_MARKS)
    )
    return OTHER_DIGITS.sub(
        lambda digit: str(unicodedata.decimal(digit.group(), digit.group())), words
    )


def _fraction(match: re.Match[str]) -> str:
    """A repeating decimal as the fraction that it is: 0.\\overline{3} -> \\frac{1}{3}."""
    whole, fixed, period = match.groups()
    bottom = 10 ** len(fixed) * (10 ** len(period) - 1)
    value = Fraction(int(f"{whole}{fixed}{period}") - int(f"{whole}{fixed}" or "0"), bottom)
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


def undressed(words: str) -> str:
    """The words without Markdown, HTML tags, code quotes, maths delimiters and text commands."""
    if "<" in words:
        words = HTML_TAG.sub("", words)
    words = words.replace("`", "").strip()
    if "*" in words or "_" in words:
        words = MARKDOWN.sub(r"\2", words).strip()
        words = (
            words.strip("*").strip() if words.startswith("**") or words.endswith("**") else words
        )
    if "\\" in words:
        words = THOUSANDS.sub("'", words)
        words = (
            words.replace("\\(", " ").replace("\\)", " ").replace("\\[", " ").replace("\\]", " ")
        )
        # wrappers within wrappers; three are more than models write, and bound the work
        for _ in range(3):
            words = WRAPPERS.sub(r" \1 ", words)
        words = SPACES.sub(" ", words)
    return words.strip()
