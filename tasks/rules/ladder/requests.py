"""One request to a model at one stage of a chain, under an id that is known beforehand.

The id hashes the parents, model, prompt, sampling, draw, sample and hint; never the text that comes
back.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from storage.ids import canonical, content_id
from storage.records import AnswerKind, Generated, Guideline, Prompt
from tasks.rules.ladder.prompts import PromptTemplate, Turns, parse_prompt
from tasks.settings import ModelSettings, Sampling

Stage = Literal[
    "selection",
    "adapted_guideline",
    "structure",
    "path",
    "close",
    "summary",
    "self_check",
    "restate",
]
# the table's name begins each id, so ids of two tables never meet; a selection shares the table of
# adapted guidelines, as both are advice for one question
TABLES: dict[Stage, str] = {
    "selection": "adapted_guidelines",
    "adapted_guideline": "adapted_guidelines",
    "structure": "structures",
    "path": "paths",
    "close": "paths",
    "summary": "paths",
    "self_check": "paths",
    "restate": "paths",
}

_FIRST_WORDS: dict[AnswerKind, re.Pattern[str]] = {
    # not followed by more of the number, by a unit sign, or by an operator and what it works on
    "number": re.compile(
        r"\s*[-+]?\$?\d+(?:[,.]\d+)*%?(?![\w%/^]|[.,]\d)(?!\s*[-+*/×·÷^=]\s*[\d(])"
    ),
    "choice": re.compile(r"\s*\(?[A-Z]\)?(?![\w'])"),
    "boolean": re.compile(r"\s*(?:yes|no|true|false)\b", re.IGNORECASE),
}
# `\n3.` at the end: the next step of a list, of which only the number came
_LONE_MARK = re.compile(r"\n\s*\d{1,3}[.)]$")
# not the point of `2.5`
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")


@dataclass(frozen=True)
class StagePlan:
    """How one stage asks: its prompt and its sampling."""

    prompt: Prompt
    template: PromptTemplate
    sampling: Sampling
    sampling_text: str  # as stored and hashed


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `prefill` of the turns belongs to the stored text."""

    stage: Stage
    id: UUID
    turns: Turns
    plan: StagePlan


def plan_stage(
    prompt: Prompt,
    sampling: Sampling,
    model: ModelSettings,
    closing: tuple[Prompt, Sampling] | None = None,
    listed: Sequence[Guideline] = (),
) -> StagePlan:
    """The plan of a stage; `closing` joins a path's sampling, for it changes the path's text.

    `listed` are the guidelines that a selection may name, and join its sampling for the same
    reason.
    """
    described = sampling.model_dump(mode="json")
    if closing:
        described["close"] = {"prompt_id": str(closing[0].id), **closing[1].model_dump(mode="json")}
    if model.system_prompt or model.thinking:
        described["conversation"] = {
            "system_prompt": model.system_prompt,
            "thinking": model.thinking,
        }
    if listed:
        described["guidelines"] = [str(guideline.id) for guideline in listed]
    template = parse_prompt(prompt.text).for_thinking(model.thinking)
    return StagePlan(prompt, template, sampling, canonical(described))


def request_id(
    stage: Stage,
    plan: StagePlan,
    parents: tuple[UUID, ...],
    model_id: UUID,
    draw: int,
    sample: int,
    hinted: bool,
) -> UUID:
    """The id that the text will have."""
    return content_id(
        TABLES[stage],
        *map(str, parents),
        str(model_id),
        str(plan.prompt.id),
        plan.sampling_text,
        draw,
        sample,
        hinted,
    )


def stands_below(row: Generated, table: str, parents: Sequence[UUID]) -> bool:
    """Whether these are the stored row's parents, which its id proves (see `request_id`)."""
    identity = content_id(
        table,
        *map(str, parents),
        str(row.model_id),
        str(row.prompt_id),
        row.sampling,
        row.draw,
        row.sample,
        row.hinted,
    )
    return identity == row.id


def whole_text(prefill: str, completion: str) -> str:
    """The stored text: the words begun for the model and its own, without what no column can hold.

    One blank stands between the two where both bring one ("The answer is " + " 8") and where none
    does: a prefill ends in no blank, and some tokenizers drop that of a word that begins a text
    ("The answer is" + "8").
    """
    doubled = prefill.endswith(" ") and completion.startswith(" ")
    glued = prefill[-1:].isalnum() and completion[:1].isalnum()
    return clean(prefill + " " * glued + (completion[1:] if doubled else completion)).strip()


def whole_sentences(text: str) -> str:
    """A cut text up to its last whole sentence; all of it where it has none.

    A list's next number that stands there alone ("2.") goes with what was cut.
    """
    ends = list(_SENTENCE_END.finditer(text))
    return _LONE_MARK.sub("", text[: ends[-1].end()].rstrip()) if ends else text


def closing_words(completion: str, finish_reason: str, kind: AnswerKind) -> tuple[str, str]:
    """A closing's answer without the words that follow it, and how it then ended.

    A number is kept whole: what begins a calculation ("12 / 5") is left as it is, for the verdict
    to read.
    """
    pattern = _FIRST_WORDS.get(kind)
    match = pattern.match(completion) if pattern else None
    if match is None or match.end() == len(completion):
        return completion, finish_reason
    return match.group(), "stop"


def ended(text: str) -> str:
    """A closed path ends in a full stop where it ended in a digit, a letter or a bracket."""
    return f"{text}." if text[-1:].isalnum() or text[-1:] in (")", "]", "}", "%", "$") else text


def clean(text: str) -> str:
    """NUL and lone surrogates become U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        # UTF-16 joins a pair of surrogates that came apart; a lone one becomes U+FFFD
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
