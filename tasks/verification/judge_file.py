"""`regenesis judge FILE`: JSON lines in, the same with verdict, reason and extracted answer out.

Rows hold `text`, `answer`, `answer_kind`, and perhaps `choices`, `finish_reason`, `question`; other
fields pass through. A malformed row is reported with its line number and stays in its place as
unjudged.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import cast

from storage.records import ANSWER_KINDS
from tasks.rules.answers.verdicts import Case, Judgement
from tasks.settings import VerificationSettings
from tasks.verification.verify_paths import Judge

# lines at a time, so that a file of any length is judged in the same memory
BATCH = 1000


def judge_file(
    lines: Iterable[str],
    lenient: bool = False,
    *,
    settings: VerificationSettings | None = None,
    complain: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Iterator[str]:
    """One line of JSON a line that is not blank; `complain` gets one sentence a malformed row."""
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    with Judge(settings) as judge:
        while batch := list(islice(numbered, BATCH)):
            rows = [_row(number, line, complain) for number, line in batch]
            judgements = iter(judge.judge([case for _, case in rows if case is not None]))
            for row, case in rows:
                yield _line(row, None if case is None else next(judgements), lenient)


def _row(
    number: int, line: str, complain: Callable[[str], None]
) -> tuple[dict[str, object], Case | None]:
    try:
        row: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        complain(f"Line {number}: a row is one JSON object; this is not JSON ({error}).")
        return {"line": line.rstrip("\r\n")}, None
    if not isinstance(row, dict):
        complain(f"Line {number}: a row is one JSON object; found {type(row).__name__}.")
        return {"line": line.rstrip("\r\n")}, None
    fields = cast("dict[str, object]", row)
    try:
        return fields, _case(fields)
    except ValueError as error:
        complain(f"Line {number}: {error}")
        return fields, None


def _case(row: Mapping[str, object]) -> Case:
    for name in ("text", "answer", "answer_kind"):
        if name not in row:
            raise ValueError(f"a row needs {name!r}; found only {sorted(row)}.")
    kind, choices = row["answer_kind"], row.get("choices") or []
    if kind not in ANSWER_KINDS:
        raise ValueError(f"'answer_kind' is one of {', '.join(ANSWER_KINDS)}; found {kind!r}.")
    if not isinstance(choices, list) or not all(
        isinstance(choice, str) for choice in cast("list[object]", choices)
    ):
        raise ValueError(f"'choices' is a list of texts; found {choices!r}.")
    if kind == "choice" and row["answer"] in (None, ""):
        raise ValueError("'answer' is empty; a choice needs its letter.")
    answer, *others = _answers(row["answer"])
    return Case(
        text=_text(row, "text"),
        answer=answer,
        answer_kind=kind,
        choices=tuple(cast("list[str]", choices)),
        finish_reason=_text(row, "finish_reason")
        if row.get("finish_reason") is not None
        else "stop",
        question=_text(row, "question") if row.get("question") is not None else "",
        also_accepted=tuple(others),
    )


def _text(row: Mapping[str, object], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is a text; found {value!r}.")
    return value


def _answers(value: object) -> list[str]:
    """A list means that any of its answers is right, as in a question file."""
    answers = cast("list[object]", value) if isinstance(value, list) else [value]
    if not answers:
        raise ValueError("'answer' is an empty list; it needs at least one accepted answer.")
    return [_answer(one) for one in answers]


def _answer(value: object) -> str:
    """Numbers and truth values of JSON are taken for their text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if not isinstance(value, str):
        raise ValueError(f"'answer' is a text or a number, or a list of them; found {value!r}.")
    return value


def _line(row: Mapping[str, object], judgement: Judgement | None, lenient: bool) -> str:
    if judgement is None:
        result: dict[str, object] = {
            "verdict": "unjudged",
            "reason": "malformed_row",
            "extracted": None,
        }
    elif lenient and judgement.verdict == "unjudged" and judgement.lenient_verdict != "unjudged":
        reason = "equal" if judgement.lenient_verdict == "correct" else "answer_differs"
        result = {
            "verdict": judgement.lenient_verdict,
            "reason": reason,
            "extracted": judgement.lenient_extracted,
        }
    else:
        result = {
            "verdict": judgement.verdict,
            "reason": judgement.reason,
            "extracted": judgement.extracted,
        }
    text = json.dumps({**row, **result}, ensure_ascii=False)
    try:
        # a lone surrogate from an escape in the input can't be printed as it is; JSON can escape it
        # again
        text.encode()
    except UnicodeEncodeError:
        return json.dumps({**row, **result})
    return text
