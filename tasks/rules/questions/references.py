"""The reference answer of a row, read by its kind before anything is stored.

What a whole solution states as its result (GSM8K's `####`, MATH's box) is taken, and said. A
reference that the judge cannot read, or would not find right if a path gave it word for word, is an
UnreadReference.
"""

from collections.abc import Callable
from dataclasses import dataclass

from storage.records import AnswerKind
from tasks.rules.answers.values.numbers import Number, number_offered
from tasks.rules.answers.verdicts import Case, Pending, judged_quickly
from tasks.rules.questions.cells import UnreadReference, given_answers, is_empty, scalar_text
from tasks.rules.questions.choices import Options, letter_of

# 1 and 0 are how tables write truth values
BOOLEANS = {"yes": "yes", "true": "yes", "1": "yes", "no": "no", "false": "no", "0": "no"}
# What tables hold where there is no answer; of kind text they may be one ("unknown" is an answer of
# BBQ).
NO_ANSWERS = frozenset(
    {"n/a", "na", "nan", "none", "null", "unknown", "?", "-", "–", "—", "tbd", "inf", "-inf"}
)
LONGEST_VALUE = 1_000
"""Characters of a number or expression; one that is longer is a text."""
BEHIND_MARK, IN_BOX = "answer: what stands behind '####'", "answer: what stands in the box"


@dataclass(frozen=True)
class Reference:
    """The answers that count, the first one the reference; empty where the row has none."""

    answers: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """The first, or empty."""
        return self.answers[0] if self.answers else ""


def reference_of(
    cell: object, kind: AnswerKind, options: Options, question: str, key_kind: str = ""
) -> Reference:
    """The row's reference, readable by its kind.

    Raises InputError, or UnreadReference where the row alone is off.
    """
    values, several = given_answers(
        cell, lambda text: kind in ("expression", "text") and '"' not in text
    )
    answers: list[str] = []
    notes = {several} - {""}
    for value in values:
        stated, note = _stated(_scalar(value, kind), kind)
        notes |= {note} - {""}
        if stated:
            answers.append(_of_kind(stated, kind, options, question, key_kind))
    distinct = tuple(dict.fromkeys(answers))
    if len(distinct) > 1 and kind in ("choice", "boolean"):
        raise UnreadReference(
            f"accepts {' and '.join(distinct)} at once; a question of kind {kind} has one right"
            " answer."
        )
    return Reference(distinct, tuple(sorted(notes)))


def kind_shown_by(answer: object, options: Options) -> AnswerKind | None:
    """The kind that a row shows by itself: choices, a truth value, `####` or a box; else None."""
    if options.texts:
        return "choice"
    if isinstance(answer, bool):
        return "boolean"
    if isinstance(answer, str) and _behind_mark(answer):
        return "number"
    return "expression" if isinstance(answer, str) and _last_box(answer) else None


def _scalar(value: object, kind: AnswerKind) -> str:
    if isinstance(value, bool):
        if kind != "boolean":
            raise UnreadReference(
                f"answers {str(value).lower()}, a truth value, where the kind is {kind}."
            )
        return "yes" if value else "no"
    return "" if is_empty(value) else scalar_text(value, "its answer")


def _stated(text: str, kind: AnswerKind) -> tuple[str, str]:
    """The result that a solution states, and how; a text that is no solution is its own result."""
    behind = _behind_mark(text)
    if behind and (kind != "text" or text.partition("####")[0].strip()):
        return _last_box(behind) or behind, BEHIND_MARK
    if "\\boxed" not in text and "\\fbox" not in text:
        return text, ""
    boxed = _last_box(text)
    if not boxed:
        raise UnreadReference(f"has no whole box in its solution, which ends {text[-60:]!r}.")
    return boxed, IN_BOX


def _behind_mark(text: str) -> str:
    """What stands on the line behind the last `####`; empty where there is none."""
    # `... 48 / 2 = 24 #### 72` states 72; `#### Step 2` above further lines is a heading
    _, mark, behind = text.rpartition("####")
    behind = behind.strip() if mark else ""
    return "" if "\n" in behind else behind


def _last_box(text: str) -> str:
    r"""The contents of the last \boxed{...} or \fbox{...} whose braces close."""
    # 7 and 6 are the lengths of the openings; without any, -1 + 6 stays below 6
    start = max(text.rfind("\\boxed{") + 7 if "\\boxed{" in text else -1, text.rfind("\\fbox{") + 6)
    if start < 6:
        return ""
    depth, place = 1, start
    while place < len(text):
        # `\{` and `\}` are signs of a set, as in \boxed{\{1, 2\}}, and close nothing
        if text[place] == "\\":
            place += 1
        elif text[place] in "{}":
            depth += 1 if text[place] == "{" else -1
            if not depth:
                return text[start:place].strip()
        place += 1
    return ""


def _of_kind(answer: str, kind: AnswerKind, options: Options, question: str, key_kind: str) -> str:
    """The answer in the form in which its kind is stored. Raises UnreadReference."""
    if kind == "choice":
        return letter_of(answer, options, key_kind)
    if kind == "boolean":
        if answer.casefold() not in BOOLEANS:
            raise UnreadReference(f"must answer yes or no; found {answer[:60]!r}.")
        return BOOLEANS[answer.casefold()]
    if kind in ("number", "expression"):
        _check_value(answer, kind)
    if not _is_found_right(answer, kind, question):
        raise UnreadReference(f"has the answer {answer[:60]!r}, which cannot be read as {kind}.")
    return answer


def _check_value(answer: str, kind: AnswerKind) -> None:
    if answer.casefold() in NO_ANSWERS:
        raise UnreadReference(
            f"has {answer!r} where its answer should be. Leave the cell empty if there is none."
        )
    if len(answer) > LONGEST_VALUE:
        raise UnreadReference(
            f"has {len(answer):,} characters as a {kind}; at most {LONGEST_VALUE:,} are read. A"
            " solution states its result behind #### or in a box."
        )
    if "\n" in answer:
        raise UnreadReference(
            f"has several lines where a {kind} should be ({answer[:60]!r}). State the result behind"
            " #### or in a box."
        )
    try:
        too_large = (
            kind == "number"
            and "e" in answer.casefold()
            and float(answer) in (float("inf"), float("-inf"))
        )
    except ValueError:
        return
    if too_large:
        raise UnreadReference(
            f"has {answer!r} as its answer, which is beyond what programs hold as a number."
        )


def _is_found_right(answer: str, kind: AnswerKind, question: str) -> bool:
    """Whether a path that quotes the reference would be judged right, or left to algebra.

    Of a number its value must be known: the judge takes equal words for equal, whatever they say.
    """
    if kind == "number" and number_offered(answer) != "algebra":
        return isinstance(number_offered(answer), Number)
    if kind == "number":
        judged = judged_quickly(Case("The answer is 0.", answer, kind, question=question))
        return isinstance(judged, Pending) or judged.reason != "bad_reference"
    spellings: tuple[Callable[[str], str], ...] = (
        lambda a: f"\\boxed{{{a}}}",
        lambda a: f"The answer is {a}",
    )
    for spelling in spellings:
        judged = judged_quickly(Case(spelling(answer), answer, kind, question=question))
        if isinstance(judged, Pending) or judged.verdict == "correct":
            return True
    return False
