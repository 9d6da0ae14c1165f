"""A second judge, which shares no rule with the first: plain string search and sampled values.

It exists to disagree. It says correct, wrong or unjudged from a text and a reference; where the two
differ, a person reads. It shares no code with `verdicts` and is never used for training.
"""

import ast
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from storage.records import AnswerKind, Label

# stored with each opinion; another rule here needs another number
SECOND_VERSION = "second-1"
# the last of these in the text is taken to state the answer
MARKERS = (
    "answer is",
    "answer:",
    "answer**:",
    "####",
    "answer would be",
    "answer should be",
    "option is",
    "choice is",
)
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
# a longer formula is not parsed: Python's parser recurses
LONGEST = 2000
# arbitrary points at which two formulas must agree; no formula of a question is zero at all three
SAMPLES = (0.37, 1.61, 2.93)


@dataclass(frozen=True)
class Confusion:
    """How often the first judge said `first` where the second said `second`."""

    first: Label
    second: Label
    cases: int


def second_opinion(
    text: str, reference: str, kind: AnswerKind, choices: Sequence[str] = ()
) -> Label:
    """What the second judge makes of a text."""
    stated = _stated(text)
    if stated is None or not reference.strip():
        return "unjudged"
    if kind == "choice":
        return _choice(stated, reference, choices)
    if kind == "boolean":
        return _boolean(stated, reference)
    if kind == "text":
        return _label(_letters(stated) == _letters(reference))
    one, other = _sampled(stated.rpartition("=")[2]), _sampled(reference.rpartition("=")[2])
    if one is None or other is None:
        return _label(_letters(stated) == _letters(reference))
    return _label(all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(one, other, strict=True)))


def confusion(pairs: Sequence[tuple[Label, Label]]) -> list[Confusion]:
    """The table of (first, second) labels, most frequent first."""
    counts = {pair: pairs.count(pair) for pair in sorted(set(pairs))}
    return [
        Confusion(*pair, cases) for pair, cases in sorted(counts.items(), key=lambda item: -item[1])
    ]


def _label(same: bool) -> Label:
    return "correct" if same else "wrong"


def _stated(text: str) -> str | None:
    start = text.rfind("boxed{")
    if start >= 0:
        depth = 1
        for place in range(start + 6, len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                return text[start + 6 : place]
        return None
    lowered = text.lower()
    place, marker = max((lowered.rfind(marker), marker) for marker in MARKERS)
    # lower() may change a text's length (İ becomes two characters); then places do not agree
    if place < 0 or len(lowered) != len(text):
        return None
    rest = text[place + len(marker) :].lstrip(" :*\n\t").split("\n")[0]
    for stop in (". ", "! ", "; "):
        head, found, tail = rest.partition(stop)
        rest = head if found and len(head) > 1 and tail[:1].isupper() else rest
    return rest.rstrip(" .!*") or None


def _letters(words: str) -> str:
    for command in ("\\text", "\\mathrm", "\\textbf", "\\left", "\\right"):
        words = words.replace(command, "")
    return "".join(
        character for character in words.casefold() if character not in " \t\n{}$*`\"'“”‘’.,;!?"
    )


def _boolean(stated: str, reference: str) -> Label:
    positive, negative = {"yes", "true", "valid"}, {"no", "false", "invalid"}
    words = "".join(
        c if c.isalpha() else " " for c in stated.replace("\\text", " ").lower()
    ).split()
    wanted = "".join(c for c in reference.lower() if c.isalpha()) in positive
    found = next(
        (
            (word in positive) != (words[max(0, i - 1)] == "not" and i > 0)
            for i, word in enumerate(words)
            if word in positive | negative
        ),
        None,
    )
    return "wrong" if found is None else _label(found == wanted)


def _choice(stated: str, reference: str, choices: Sequence[str]) -> Label:
    wanted = ord(reference.strip(" ().")[:1].upper() or "@") - ord("A")
    texts = [_letters(choice) for choice in choices]
    said = _letters(stated)
    if said in texts and len(said) > 1:
        return _label(0 <= wanted < len(texts) and said == texts[wanted])
    bare = "".join(c if c.isalnum() else " " for c in stated.replace("\\text", " ")).split()
    letters = [word for word in bare if len(word) == 1 and word.isupper()]
    return (
        _label(len(set(letters[:2])) == 1 and bool(bare) and ord(letters[0]) - ord("A") == wanted)
        if letters
        else "wrong"
    )


def _sampled(words: str) -> tuple[float, ...] | None:
    """Values at three points of every variable; None where it does not parse as arithmetic."""
    if len(words) > LONGEST:
        return None
    plain = words.strip().strip("$").strip()
    for old, new in (
        ("\\left", ""),
        ("\\right", ""),
        ("\\dfrac", "\\frac"),
        ("\\cdot", "*"),
        ("\\times", "*"),
        ("−", "-"),
        ("^", "**"),
        ("\\%", ""),
        ("%", ""),
        ("\\$", ""),
        ("$", ""),
        ("€", ""),
        ("{,}", ""),
    ):
        plain = plain.replace(old, new)
    while "\\frac{" in plain and plain.count("{") == plain.count("}"):
        head, _, tail = plain.rpartition("\\frac{")
        top, _, rest = tail.partition("}{")
        bottom, _, end = rest.partition("}")
        if not bottom or "{" in top + bottom:
            return None
        plain = f"{head}(({top})/({bottom})){end}"
    number = plain.replace(",", "").split(" ")[0]
    try:
        return (float(Decimal(number)),) * len(SAMPLES)
    except (InvalidOperation, OverflowError):
        pass
    if len(plain) > 200:
        return None
    try:
        tree = ast.parse(plain.replace(",", ""), mode="eval")
        return tuple(_value(tree.body, sample) for sample in SAMPLES)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None


def _value(node: ast.AST, sample: float) -> float:
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float))
        and abs(node.value) < 1e15
    ):
        return float(node.value)
    if isinstance(node, ast.Name) and len(node.id) == 1:
        return sample * (1 + ord(node.id) / 100)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _value(node.operand, sample)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, sample), _value(node.right, sample)
        if isinstance(node.op, ast.Pow) and abs(right) <= 20 and left >= 0:
            return math.pow(left, right)
        if type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](left, right)
    raise ValueError("not arithmetic")
