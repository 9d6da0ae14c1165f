"""The final answer that a text states: strict (a box, else an explicit statement) or lenient (else the last value).

Text and finish reason in, a `Stated` answer or the reason why there is none out. It does not say whether the
answer is right, and never goes back to an earlier answer when a later one was cut off.
"""

import re
from dataclasses import dataclass

from storage.records import AnswerKind

BRACE = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
SIDE_BY_SIDE = re.compile(r"[\s$\\()\[\],;/]*(?:or|and)?[\s$\\()\[\],;/]*", re.IGNORECASE)
STATEMENT = re.compile(
    r"\banswers?\b\**(?:,\s?\w{1,15},)?(?:\s+(?:to|for|of)\s[^\n.:=?]{1,80}?)?[\"'*)\s]{0,4}?"
    r"(?:\s(?:is|are|was|equals|(?:would|should|must|will|has\sto|can\sonly)\sbe)\b|:|=)"
    r"|\b(?:correct|right|best)\s(?:option|choice)(?:\sis\b|:)"
    r"|####",
    re.IGNORECASE,
)
HYPOTHETICAL = re.compile(r"\b(?:if|whether|suppose|supposing|assume|assuming|unless)\b[^.\n]{0,20}$", re.IGNORECASE)
SENTENCE_END = re.compile(r"[\n。]|[.!?](?=[*\"'”’»)$]*(?:\s|$))")
ABBREVIATIONS = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Jr|Sr|Rs|Prof|vs|approx|i\.e|e\.g)(?=\.)"
    r"|\bSt(?=\.\s+[A-Z])|\b[Nn]o(?=\.\s+\d)|\b[A-Z](?=\.\s+[A-Z])"
)
LIST_BEGINS = re.compile(r"1[.)]\s+\S.*?(?:^|\s)2[.)]\s", re.DOTALL)
DECORATION = re.compile(r"(?:\s|\*\*|\*(?=\s)|[:=])*")
LAST_NUMBER = re.compile(r"(?<![\w.])[-−]?\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?%?")
LAST_LETTER = re.compile(r"\(([A-Z])\)|\b([B-HJ-Z])\b(?![’'])|\b(A)\b(?=\W*$|[).:,;])")
LAST_POLARITY = re.compile(r"\b(?:not\s+(?:true|valid)|yes|no|true|false|valid|invalid)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Stated:
    """The words of an answer, to the end of its sentence and of its line; `boxed` when they stood in a box."""

    words: str
    line: str
    boxed: bool


@dataclass(frozen=True)
class NotStated:
    """Why a text has no final answer: no_final_answer or cut_off."""

    reason: str


def final_answer(text: str, finish_reason: str = "stop") -> Stated | NotStated:
    """The strict reading: the last complete box, else the last explicit statement."""
    boxes = _boxes(text) if "\\boxed" in text or "\\fbox" in text else []
    if not boxes:
        return _statement(text, finish_reason)
    start, end = boxes[-1]
    if end is None:
        return NotStated("cut_off")
    words = _with_neighbour(text, boxes, text[start:end].strip())
    return Stated(_calm(words), _calm(words), True)


def last_value(text: str, kind: AnswerKind) -> str | None:
    """What the lenient reading falls back to: the last number, choice letter or yes/no in the text."""
    pattern = {"number": LAST_NUMBER, "choice": LAST_LETTER, "boolean": LAST_POLARITY}.get(kind)
    found = list(pattern.finditer(text)) if pattern else []
    return found[-1].group() if found else None


def _boxes(text: str) -> list[tuple[int, int | None]]:
    """(start, end) of the contents of boxes by start; the end is None where the braces never close."""
    open_braces: list[int | None] = []
    ends: dict[int, int | None] = {}
    for match in BRACE.finditer(text):
        token = match.group()
        if token == "{":
            open_braces.append(None)
        elif token == "}":
            start = open_braces.pop() if open_braces else None
            if start is not None:
                ends[start] = match.start()
        elif token.endswith("{") and len(token) > 2:
            open_braces.append(match.end())
            ends[match.end()] = None
    return sorted(ends.items())


def _with_neighbour(text: str, boxes: list[tuple[int, int | None]], words: str) -> str:
    """`\\boxed{5} or \\boxed{6}` offers both."""
    if len(boxes) < 2 or boxes[-2][1] is None:
        return words
    between = text[boxes[-2][1] + 1 : boxes[-1][0]]
    between = between[: max(between.rfind("\\boxed"), between.rfind("\\fbox"))]
    joined = 0 < len(between) <= 12 and between.strip(" $\n") != "" and SIDE_BY_SIDE.fullmatch(between) is not None
    return f"{text[boxes[-2][0] : boxes[-2][1]].strip()} or {words}" if joined else words


def _statement(text: str, finish_reason: str) -> Stated | NotStated:
    for match in reversed(list(STATEMENT.finditer(text))):
        if HYPOTHETICAL.search(text, max(0, match.start() - 40), match.start()):
            continue
        decoration = DECORATION.match(text, match.end())
        rest = text[decoration.end() if decoration else match.end() :]
        if not rest.strip("\"'`$ \r\n\t.") or LIST_BEGINS.match(rest):
            return NotStated("cut_off" if finish_reason == "length" and not rest else "no_final_answer")
        line = rest.partition("\n")[0]
        end = _sentence_end(rest)
        if end is None and finish_reason == "length":
            return NotStated("cut_off")
        return Stated(_calm(rest[:end]), _calm(line), False)
    return NotStated("cut_off" if finish_reason == "length" else "no_final_answer")


def _calm(words: str) -> str:
    """Runs of blanks made one, so that no later pattern can be slow on them; line breaks stay."""
    return "\n".join(line for line in (" ".join(part.split()) for part in words.splitlines()) if line)


def _sentence_end(rest: str) -> int | None:
    for match in SENTENCE_END.finditer(rest):
        if match.group() != "." or not _is_abbreviated(rest, match.start()):
            return match.start()
    return None


def _is_abbreviated(rest: str, point: int) -> bool:
    return any(found.end() == point for found in ABBREVIATIONS.finditer(rest, max(0, point - 8), point + 12))
