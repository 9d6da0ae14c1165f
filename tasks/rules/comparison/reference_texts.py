"""A question set's own solutions as paths: the reference alone, or the set's rationale.

Also the prompt that shows solved train questions first. Texts of a set are data: nothing in them is
a placeholder.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from storage.records import Question
from tasks.rules.ladder.prompts import asked, shown_answer

_CALCULATOR = re.compile(r"<<[^<>]*>>")  # GSM8K's annotations
_BRACE = re.compile(r"[{}]")


def stated_answer(question: Question) -> str:
    """The reference as evaluation wants it stated; empty where there is none."""
    answer = question.answer.strip()
    return f"The answer is {answer}." if answer else ""


def stated_rationale(question: Question) -> str:
    """The set's rationale with the answer stated after it; empty where the set has none.

    GSM8K, AQuA-RAT and own files with a column `rationale` have one.
    """
    columns = _columns(question)
    rationale, stated = str(columns.get("rationale") or ""), str(columns.get("answer") or "")
    if not rationale and "####" in stated:
        rationale = _CALCULATOR.sub("", stated.rpartition("####")[0])
    if not rationale.strip() or not question.answer.strip():
        return ""
    return f"{rationale.strip()}\n{stated_answer(question)}"


def few_shot_prompt(answer_prompt: str, solved: Sequence[Question]) -> str:
    """The prompt's text with solved questions above what it asks.

    Braces of the questions are left out of it.
    """
    lines = [
        "Question:"
        f" {asked(one).strip()}\n{stated_rationale(one) or f'The answer is {shown_answer(one)}.'}"
        for one in solved
    ]
    # a section begins with a bracket
    shown = _BRACE.sub("", "\n\n".join(lines)).replace("[", "(").replace("]", ")")
    opening = "[user]\n"
    if opening not in answer_prompt:
        answer_prompt = opening + answer_prompt
    return answer_prompt.replace(opening, f"{opening}{shown}\n\nQuestion: ", 1)


def _columns(question: Question) -> dict[str, Any]:
    try:
        found: object = json.loads(question.extra or "{}")
    except json.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
