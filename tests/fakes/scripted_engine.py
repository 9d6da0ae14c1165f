"""An engine that answers from a script, in process.

Typed, seeded, with delays, failures and an exact log.

What it writes depends on the prompt and the seed alone, so two runs that ask the same get the same.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from storage.records import Prompt
from tasks.engines.engine import Completion, RequestFailed
from tasks.prompt_files import prompt_record
from tasks.rules.ladder.prompts import Turns
from tasks.settings import Sampling


@dataclass(frozen=True)
class Asked:
    """One request as the engine saw it."""

    prompt: str
    sampling: Sampling
    seed: int
    cached: bool = True

    @property
    def prompt_name(self) -> str:
        """Which of the marked prompts asked."""
        return prompt_name_of(self.prompt)

    @property
    def question(self) -> str:
        """The question's text."""
        return self.prompt.split("|")[1]


Answer = str | Completion | RequestFailed
Script = Callable[[Asked], Answer]
Delay = Callable[[Asked], float]


class TextRenderer:
    """Renders to code points, so that the scripted engine can read what it was asked."""

    end_of_turn = 0

    def prompt_ids(self, turns: Turns) -> list[int]:
        """Code points of the whole conversation."""
        return [
            ord(character) for character in f"{turns.system}\x1e{turns.user}\x1e{turns.prefill}"
        ]

    def completion_ids(self, text: str) -> list[int]:
        """A token a word, for only their number counts."""
        return [len(word) for word in text.split()]


@dataclass
class ScriptedEngine:
    """Answers by `script`; `delay` says how long (seconds) each answer takes."""

    script: Script
    delay: Delay | None = None
    asked: list[Asked] = field(default_factory=list[Asked])
    in_flight: int = 0
    most_in_flight: int = 0

    async def complete(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, cached: bool = True
    ) -> Completion:
        """The script's answer after its delay."""
        request = Asked("".join(map(chr, prompt_ids)), sampling, seed, cached)
        self.asked.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.delay(request) if self.delay else 0)
        finally:
            self.in_flight -= 1
        answer = self.script(request)
        if isinstance(answer, RequestFailed):
            raise answer
        if isinstance(answer, Completion):
            return answer
        return completion(answer, len(prompt_ids))


def completion(text: str, prompt_tokens: int = 1, finish_reason: str = "stop") -> Completion:
    """A completion of one token a word."""
    return Completion(text, finish_reason, prompt_tokens, max(1, len(text.split())), "scripted", 1)


def marked_prompts() -> dict[str, Prompt]:
    """Prompts that begin with their name and hold, between bars, all that their stage may know."""
    return {name: prompt_record(name, text) for name, text in _MARKED.items()}


def prompt_name_of(prompt: str) -> str:
    """Which of the marked prompts this is."""
    _, user, prefill = prompt.split("\x1e", 2)
    return "close" if prefill.endswith("The answer is") else user.partition("|")[0]


_MARKED = {
    "adapt": "[user]\nadapt|{question}|{guideline}|\n[assistant]\nFor this question, ",
    "structure": "[user]\nstructure|{question}|{adapted_guideline}|\n[assistant]\n1.",
    "path": "[user]\npath|{question}|{structure}|",
    "direct": "[user]\ndirect|{question}|",
    "adapt_hinted": "[user]\nadapt_hinted|{question}|{guideline}|{answer}|",
    "structure_hinted": "[user]\nstructure_hinted|{question}|{adapted_guideline}|{answer}|",
    "path_hinted": "[user]\npath_hinted|{question}|{structure}|{answer}|",
    "direct_hinted": "[user]\ndirect_hinted|{question}|{answer}|",
    "no_adaptation_structure": "[user]\nno_adaptation_structure|{question}|{guideline}|",
    "no_adaptation_structure_hinted": (
        "[user]\nno_adaptation_structure_hinted|{question}|{guideline}|{answer}|"
    ),
    "no_structure_path": "[user]\nno_structure_path|{question}|{adapted_guideline}|",
    "no_structure_path_hinted": (
        "[user]\nno_structure_path_hinted|{question}|{adapted_guideline}|{answer}|"
    ),
    "close": "[assistant]\n{path}\nThe answer is",
    "answer": "[user]\nanswer|{question}|",
    "self_check": "[user]\nself_check|{question}|{path}|",
    "summary": "[user]\nsummary|{question}|{path}|",
    "select_guidelines": "[user]\nselect_guidelines|{question}|{guidelines}|",
}
