"""Prompt templates: a file's text in, the turns of a conversation out.

A file has sections `[system]`, `[user]`, `[assistant]`; the last is the beginning of the
assistant's turn. Only the known placeholders are filled, in one pass: braces in a question or in a
model's text mean nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from storage.errors import InputError
from storage.records import AnswerKind, Question

PLACEHOLDERS = (
    "question",
    "guideline",
    "adapted_guideline",
    "structure",
    "answer",
    "path",
    "guidelines",
    "form",
)
# `{form}` in a prompt: `Put the number in a box.`
FORMS: dict[AnswerKind, str] = {
    "number": "the number",
    "expression": "the expression",
    "choice": "the letter of the choice",
    "boolean": "yes or no",
    "text": "the answer in a few words",
}
# `[user]` alone in its line; `[user] wrote` is text
_SECTION = re.compile(r"^\[(system|user|assistant)\][ \t]*$", re.MULTILINE)
# only the names that are ours: other braces, as of TeX or JSON, stay as they are
_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")


class Asks(Protocol):
    """What a prompt must know of a question; the record `Question` is one."""

    @property
    def text(self) -> str:
        """The question itself."""
        ...

    @property
    def choices(self) -> Sequence[str]:
        """The choices that it offers, A first; empty where it offers none."""
        ...

    @property
    def answer_kind(self) -> AnswerKind:
        """What its answer is, which decides the form that prompts ask for."""
        ...


@dataclass(frozen=True)
class Turns:
    """One conversation to be continued: `prefill` is the beginning of the assistant's turn."""

    system: str
    user: str
    prefill: str


@dataclass(frozen=True)
class PromptTemplate:
    """A parsed prompt file."""

    system: str
    user: str
    assistant: str

    @property
    def placeholders(self) -> frozenset[str]:
        """Names that must be filled."""
        return frozenset(_PLACEHOLDER.findall(f"{self.system}\n{self.user}\n{self.assistant}"))

    def for_thinking(self, thinking: bool) -> "PromptTemplate":
        """The template for a model that thinks first, without words begun for it.

        They would stand in the place of its thought.

        A turn that quotes the model's own text (`{path}`) stays: the thought is in it.
        """
        begun = thinking and "{path}" not in self.assistant
        return replace(self, assistant="") if begun else self

    def fill(self, **values: str) -> Turns:
        """The turns with every placeholder replaced; a value is never read as a template.

        Questions are asked with `ask_question`, which knows the form of each kind of answer.
        """
        missing = self.placeholders - values.keys()
        if missing:
            raise InputError(
                "A prompt's placeholders must be ones that its stage can fill; found"
                f" {sorted(missing)!r} where only {sorted(values)!r} are known. Correct the prompt"
                " file."
            )

        # one pass: a question that holds `{answer}` is shown as it is, and is never filled
        def value(match: re.Match[str]) -> str:
            return values[match.group(1)]

        return Turns(
            system=_PLACEHOLDER.sub(value, self.system),
            user=_PLACEHOLDER.sub(value, self.user),
            prefill=_PLACEHOLDER.sub(value, self.assistant),
        )


def parse_prompt(text: str) -> PromptTemplate:
    """The template of a prompt file; text before the first section is the user's.

    Raises InputError when empty.

    Blank lines around a section go; blanks at the end of a line stay, for a prefill may need one.
    """
    parts = {"system": "", "user": "", "assistant": ""}
    pieces = _SECTION.split(text.replace("\r\n", "\n"))
    named = [("user", pieces[0])] if pieces[0].strip() else []
    named += list(zip(pieces[1::2], pieces[2::2], strict=True))
    for name, body in named:
        if parts[name]:
            raise InputError(
                f"A prompt file has each section once; found [{name}] twice. Join the two."
            )
        parts[name] = body.strip("\n")
    if not parts["user"].strip() and not parts["assistant"].strip():
        raise InputError(
            "A prompt file needs a [user] or an [assistant] section with text; found"
            f" {text[:80]!r}."
        )
    return PromptTemplate(**parts)


def ask_question(template: PromptTemplate, question: Asks, **known: str) -> Turns:
    """The turns that ask this question in its kind's form; `known` fills the other placeholders."""
    return template.fill(question=asked(question), form=wanted_form(question), **known)


def asked(question: Asks) -> str:
    """The question as every prompt shows it: its text, then its lettered choices."""
    return lettered(question.text, question.choices)


def lettered(text: str, choices: Sequence[str]) -> str:
    """A question's text with its choices below it, A first."""
    if not choices:
        return text
    lines = [f"{letter(place)}. {choice}" for place, choice in enumerate(choices)]
    return "\n".join([text, *lines, ""])  # what a prompt says next stands on a line of its own


def wanted_form(question: Asks) -> str:
    """What an answer of the question's kind looks like, as prompts say it."""
    return FORMS[question.answer_kind]


def shown_answer(question: Question) -> str:
    """The reference answer as a hinted prompt shows it: a lettered choice with its text."""
    place = (
        ord(question.answer.strip().upper()) - ord("A") if len(question.answer.strip()) == 1 else -1
    )
    if question.answer_kind == "choice" and 0 <= place < len(question.choices):
        return f"{letter(place)}. {question.choices[place]}"
    return accepted(question)


def accepted(question: Question) -> str:
    """The reference answer; where several count, all of them."""
    return " or ".join(question.accepted_answers)


def letter(place: int) -> str:
    """A, B, ..., Z, then AA, AB, ..."""
    return chr(ord("A") + place) if place < 26 else letter(place // 26 - 1) + letter(place % 26)
