"""The ladder as a state machine: from a question and its stored texts to the next request.

A chain is one way down: guideline -> adapted guideline -> structure -> path, or the shorter ladder
of another strategy. Every id of a chain is known before anything is generated. Nothing here asks a
model or a store.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from storage.errors import InputError
from storage.ids import content_id
from storage.records import Guideline, Prompt, Question
from tasks.rules.answers.booleans import PAIRS
from tasks.rules.ladder.prompts import (
    PromptTemplate,
    Turns,
    ask_question,
    letter,
    parse_prompt,
    shown_answer,
)
from tasks.rules.ladder.requests import Request, Stage, StagePlan, plan_stage, request_id
from tasks.settings import OneOf, Sampling, Settings, SynthesisSettings

# What a prompt of each stage may show. The reference answer is missing on purpose: only hinted
# prompts see it, and `_check_placeholders` holds every prompt file to that.
KNOWN_VALUES: dict[Stage, frozenset[str]] = {
    "selection": frozenset({"question", "guidelines"}),
    "adapted_guideline": frozenset({"question", "guideline"}),
    "structure": frozenset({"question", "guideline", "adapted_guideline"}),
    "path": frozenset({"question", "guideline", "adapted_guideline", "structure"}),
    "close": frozenset({"question", "path"}),
    "summary": frozenset({"question", "path"}),
    "self_check": frozenset(
        {"question", "path", "answer"}
    ),  # the released code shows it to its check
    "restate": frozenset({"question", "path"}),
}
# strategies with an adapted guideline, and with a structure
ADAPTING, PLANNING = ("regenesis", "no_structure"), ("regenesis", "no_adaptation")
# a summary or a check is a sentence; greedy, so that the same path has the same one
AFTER_PATH = Sampling(temperature=0.0, max_tokens=64)
# kinds whose value need not stand in the work that leads to it
RESTATED_KINDS = ("choice", "boolean", "text")
_NUMBER = re.compile(r"\d+")
# "Selection 2 of 20: two or three of ..."
_SELECTION = re.compile(r"Selection (\d{1,4}) of (\d{1,4}): ")


@dataclass(frozen=True, slots=True)
class Chain:
    """One way down the ladder for one question, with the ids of all that it will generate."""

    question: Question
    guideline: Guideline | None
    sample: int
    hinted: bool
    selection_id: UUID | None
    adapted_id: UUID | None
    structure_id: UUID | None
    path_id: UUID

    @property
    def ids(self) -> list[UUID]:
        """Ids in the order in which they are generated."""
        before = (self.selection_id, self.adapted_id, self.structure_id)
        return [*(one for one in before if one), self.path_id]


@dataclass(frozen=True, slots=True)
class Above:
    """The texts above a stage in its chain; empty where the chain has none."""

    guideline: str = ""  # for a chain whose model selected its guidelines, those two or three
    adapted_guideline: str = ""
    structure: str = ""


def values_of(above: Above, question: Question, hinted: bool) -> dict[str, str]:
    """What a stage below the selection shows besides its question, by placeholder."""
    values = {"answer": shown_answer(question)} if hinted else {}
    if not above.guideline:  # strategy direct: its prompt has no placeholder for any of them
        return values
    return values | {
        "guideline": above.guideline,
        "adapted_guideline": above.adapted_guideline or above.guideline,
        "structure": above.structure,
    }


def values_of_selection(guidelines: Sequence[Guideline]) -> dict[str, str]:
    """What a selection shows besides its question: the numbered list that it selects from."""
    return {
        "guidelines": "\n".join(
            f"{place}. {one.text}" for place, one in enumerate(guidelines, start=1)
        )
    }


def selected_guidelines(selection_id: UUID, reply: str, guidelines: Sequence[Guideline]) -> str:
    """The two or three guidelines that the reply names by number, filled up by the seed."""
    # "Use 4 and 11." -> [4, 11]; a selection's list is short, so a number of four digits is none of
    # its numbers
    # Small models name numbers beyond the list, name one twice, or write on about the question, so
    # only the first 400 characters are read and the seed fills what is missing.
    places = list(
        dict.fromkeys(int(found) for found in _NUMBER.findall(reply[:400]) if len(found) < 4)
    )
    chosen = [guidelines[place - 1] for place in places if 1 <= place <= len(guidelines)][:3]
    spare = [guideline for guideline in guidelines if guideline not in chosen]
    missing = max(0, min(2, len(guidelines)) - len(chosen))
    chosen += random.Random(str(selection_id)).sample(spare, missing)
    return "\n".join(guideline.text for guideline in chosen)


@dataclass(frozen=True)
class Ladder:
    """Everything that is the same for all questions of a run."""

    settings: SynthesisSettings
    model_id: UUID
    draw: int
    seed: int
    guidelines: tuple[Guideline, ...]
    selections: tuple[Guideline, ...]  # heads whose guidelines the model selects itself
    stages: Mapping[tuple[Stage, bool], StagePlan]
    answer: PromptTemplate | None = None  # how evaluation asks; hinted paths are closed under it

    def chains(self, question: Question, hinted: bool = False) -> list[Chain]:
        """The question's chains in seeded order; empty for a retry of a question without an answer.

        With `hinted_only` every chain is a hinted one, and there is nothing to try again.
        """
        if self.settings.hinted_only:
            hinted = not hinted
            if not (hinted and question.answer.strip()):
                return []
        elif hinted and not (self.settings.hinted_retry and question.answer.strip()):
            return []
        return [
            self._chain(question, head, sample, hinted)
            for head, sample in self._heads(question, hinted)
        ]

    def next_request(self, chain: Chain, texts: Mapping[UUID, str]) -> Request | None:
        """What the chain asks next, given the texts that it has; None when its path is there."""
        for stage, identity in self.stages_of(chain):
            if identity not in texts:
                return self._request(stage, identity, chain, texts)
        return None

    def stages_of(self, chain: Chain) -> list[tuple[Stage, UUID]]:
        """The chain's stages and their ids, in order."""
        stages: list[tuple[Stage, UUID | None]] = [
            ("selection", chain.selection_id),
            ("adapted_guideline", chain.adapted_id),
            ("structure", chain.structure_id),
            ("path", chain.path_id),
        ]
        return [(stage, identity) for stage, identity in stages if identity]

    def after_path(self, stage: Stage, chain: Chain, texts: Mapping[UUID, str]) -> Request:
        """A request about a finished path.

        `close` continues the path's own conversation; `summary` and `self_check` begin one about
        it.
        """
        plan = self.stages[stage, chain.hinted]
        values = {"answer": shown_answer(chain.question)} if stage == "self_check" else {}
        filled = ask_question(plan.template, chain.question, path=texts[chain.path_id], **values)
        if stage == "close" and not filled.user:
            filled = _continuing(self._turns_without_hint(chain, texts), filled)
        return _request_after_path(stage, chain, plan, filled)

    def restating(self, chain: Chain, work: str) -> Request:
        """Ask for the answer again from the question and the path's work alone, without a hint."""
        plan = self.stages["restate", chain.hinted]
        filled = ask_question(plan.template, chain.question, path=work)
        if self.answer and not filled.user:
            filled = _continuing(ask_question(self.answer, chain.question), filled)
        return _request_after_path("restate", chain, plan, filled)

    def most_tokens_after_path(self, chain: Chain) -> int:
        """Most tokens of a path's closing, summary and checks, which are paid with the path."""
        most = 0
        for stage in ("close", "restate", "summary", "self_check"):
            plan = self.stages.get((stage, chain.hinted))
            if plan is None or (
                stage == "restate" and chain.question.answer_kind not in RESTATED_KINDS
            ):
                continue
            most += _sampling_after_path(stage, plan, chain.question).max_tokens
        return most

    def _turns_without_hint(self, chain: Chain, texts: Mapping[UUID, str]) -> Turns:
        """The path's own conversation; of a hinted path the plain question, without the hint."""
        if chain.hinted and self.answer:
            return ask_question(self.answer, chain.question)
        return self._request("path", chain.path_id, chain, texts).turns

    def _heads(self, question: Question, hinted: bool) -> list[tuple[Guideline | None, int]]:
        count = self.settings.hinted_chains if hinted else self.settings.chains_per_question
        if self.settings.strategy == "direct":
            return [(None, sample) for sample in range(count)]
        pool = (
            [one for one in self.guidelines if one.in_hinted_retry]
            if hinted
            else list(self.guidelines)
        )
        selections = [] if hinted else list(self.selections[:count])
        # the question's own generator: the order of questions, and a run that goes on, change
        # nothing
        order = random.Random(f"{self.seed}:{question.id}:{hinted}")
        heads: list[tuple[Guideline | None, int]] = []
        plain, sample = count - len(selections), 0
        # more chains than guidelines: another sample of each, drawn without repetition per turn
        while pool and len(heads) < plain:
            heads += [
                (one, sample) for one in order.sample(pool, min(len(pool), plain - len(heads)))
            ]
            sample += 1
        return heads + [(one, 0) for one in selections]

    def _chain(
        self, question: Question, head: Guideline | None, sample: int, hinted: bool
    ) -> Chain:
        def identity(stage: Stage, *parents: UUID) -> UUID:
            return request_id(
                stage, self.stages[stage, hinted], parents, self.model_id, self.draw, sample, hinted
            )

        if head is None:
            return Chain(
                question, None, sample, hinted, None, None, None, identity("path", question.id)
            )
        above: tuple[UUID, ...] = (question.id, head.id)
        selection_id = identity("selection", *above) if head in self.selections else None
        if selection_id:
            above = (*above, selection_id)
        strategy = self.settings.strategy
        adapts, plans = strategy in ADAPTING, strategy in PLANNING
        adapted_id = identity("adapted_guideline", *above) if adapts else None
        below = (adapted_id,) if adapted_id else above
        structure_id = identity("structure", *below) if plans else None
        path_id = identity("path", *((structure_id,) if structure_id else below))
        return Chain(
            question, head, sample, hinted, selection_id, adapted_id, structure_id, path_id
        )

    def _request(
        self, stage: Stage, identity: UUID, chain: Chain, texts: Mapping[UUID, str]
    ) -> Request:
        plan = self.stages[stage, chain.hinted]
        if stage == "selection":
            values = values_of_selection(self.guidelines)
        else:
            values = values_of(self._above(chain, texts), chain.question, chain.hinted)
        return Request(stage, identity, ask_question(plan.template, chain.question, **values), plan)

    def _above(self, chain: Chain, texts: Mapping[UUID, str]) -> Above:
        if chain.guideline is None:
            return Above()
        advice = chain.guideline.text
        if chain.selection_id:
            advice = selected_guidelines(
                chain.selection_id, texts[chain.selection_id], self.guidelines
            )
        adapted = texts.get(chain.adapted_id, "") if chain.adapted_id else ""
        return Above(
            advice, adapted, texts.get(chain.structure_id, "") if chain.structure_id else ""
        )


def build_ladder(
    settings: Settings,
    model_id: UUID,
    prompts: Mapping[str, Prompt],
    guidelines: Sequence[Guideline],
    draw: int,
    round_seed: int | None = None,
) -> Ladder:
    """The ladder of a run; raises InputError for a prompt with a field that its stage lacks."""
    synthesis = settings.synthesis
    if not guidelines and synthesis.strategy != "direct":
        raise InputError(
            f"Strategy {synthesis.strategy!r} needs at least one guideline; found none. Give a"
            " list."
        )
    stages: dict[tuple[Stage, bool], StagePlan] = {
        (stage, hinted): _plan(settings, prompts, guidelines, stage, hinted)
        for hinted in (False, True)
        for stage in _stages_wanted(synthesis)
    }
    for (stage, hinted), plan in stages.items():
        _check_placeholders(plan, stage, hinted)
    seed = settings.seed if round_seed is None else round_seed
    answer = parse_prompt(prompts["answer"].text) if "answer" in prompts else None
    return Ladder(
        synthesis,
        model_id,
        draw,
        seed,
        tuple(guidelines),
        selection_heads(synthesis),
        stages,
        answer,
    )


def selection_heads(synthesis: SynthesisSettings) -> tuple[Guideline, ...]:
    """The heads of chains whose model selects its two or three guidelines (official-code: 20)."""
    if synthesis.strategy == "direct":
        return ()
    count = synthesis.guideline_selections
    return tuple(_selection_head(place, count) for place in range(1, count + 1))


def is_selection_head(guideline: Guideline) -> bool:
    """Whether this is the head of such a chain and not a guideline of a list."""
    found = _SELECTION.match(guideline.text)
    return bool(found) and guideline.id == _selection_head(int(found[1]), int(found[2])).id


def _selection_head(place: int, count: int) -> Guideline:
    text = f"Selection {place} of {count}: two or three of the guidelines, chosen by the model."
    return Guideline(
        id=content_id("guidelines", text),
        name=f"selection {place}",
        position=1000 + place,  # behind every list of guidelines
        text=text,
        in_hinted_retry=False,
    )


def prompt_name(stage: Stage, strategy: str, hinted: bool) -> str:
    """Which prompt file a stage uses."""
    if stage in ("close", "summary", "self_check"):
        return stage
    if (
        stage == "restate"
    ):  # the same question and the same begun words as for a path without an answer
        return "close"
    if stage == "selection":
        return "select_guidelines"
    names = {"adapted_guideline": "adapt", "structure": "structure", "path": "path"}
    name = names[stage]
    if (stage, strategy) == ("structure", "no_adaptation"):
        name = "no_adaptation_structure"
    elif stage == "path" and strategy in ("no_structure", "no_adaptation_no_structure"):
        name = "no_structure_path"
    elif (stage, strategy) == ("path", "direct"):
        name = "direct"
    return f"{name}_hinted" if hinted else name


def _stages_wanted(synthesis: SynthesisSettings) -> list[Stage]:
    wanted: list[Stage] = ["path"]
    if synthesis.strategy in ADAPTING:
        wanted.append("adapted_guideline")
    if synthesis.strategy in PLANNING:
        wanted.append("structure")
    if synthesis.guideline_selections:
        wanted.append("selection")
    optional: list[tuple[bool, Stage]] = [
        (synthesis.close_paths, "close"),
        (synthesis.summary, "summary"),
        (synthesis.self_check, "self_check"),
        (synthesis.restate, "restate"),
    ]
    return wanted + [stage for asked_for, stage in optional if asked_for]


def _plan(
    settings: Settings,
    prompts: Mapping[str, Prompt],
    guidelines: Sequence[Guideline],
    stage: Stage,
    hinted: bool,
) -> StagePlan:
    synthesis = settings.synthesis
    samplings: dict[Stage, Sampling] = {
        "selection": synthesis.adapt,
        "adapted_guideline": synthesis.adapt,
        "structure": synthesis.structure,
        "path": synthesis.path,
        "close": synthesis.close,
        "restate": synthesis.close,
    }
    sampling = samplings.get(stage, AFTER_PATH)
    warm = stage in ("adapted_guideline", "structure", "path")
    if hinted and warm and synthesis.hinted_temperature is not None:
        sampling = sampling.model_copy(update={"temperature": synthesis.hinted_temperature})
    name = prompt_name(stage, synthesis.strategy, hinted)
    if name not in prompts:
        raise InputError(
            f"Strategy {synthesis.strategy!r} needs a prompt {name!r}; found {sorted(prompts)!r}."
        )
    closing = (
        (prompts["close"], synthesis.close) if stage == "path" and synthesis.close_paths else None
    )
    listed = guidelines if stage == "selection" else ()
    return plan_stage(prompts[name], sampling, settings.model, closing, listed)


def _check_placeholders(plan: StagePlan, stage: Stage, hinted: bool) -> None:
    sees_answer = hinted and stage in ("adapted_guideline", "structure", "path")
    known = KNOWN_VALUES[stage] | {"answer"} if sees_answer else KNOWN_VALUES[stage]
    strange = plan.template.placeholders - known - {"form"}
    if strange:
        raise InputError(
            f"Prompt {plan.prompt.name!r} may use {sorted(known)!r}; found {sorted(strange)!r} as"
            " well. A prompt that is not *_hinted must never see the answer. Correct the prompt"
            " file."
        )


def _continuing(asked: Turns, begun: Turns) -> Turns:
    """The conversation that was asked, with the words that a prompt begins for the model."""
    return Turns(begun.system or asked.system, asked.user, begun.prefill)


def _request_after_path(stage: Stage, chain: Chain, plan: StagePlan, turns: Turns) -> Request:
    plan = replace(plan, sampling=_sampling_after_path(stage, plan, chain.question))
    return Request(
        stage,
        content_id(stage, str(chain.path_id), str(plan.prompt.id), plan.sampling_text),
        turns,
        plan,
    )


def _sampling_after_path(stage: Stage, plan: StagePlan, question: Question) -> Sampling:
    closes = stage in ("close", "restate")
    return _closing_sampling(plan.sampling, question) if closes else plan.sampling


def _closing_sampling(sampling: Sampling, question: Question) -> Sampling:
    """The sampling of a closing: one of few texts for a choice or a yes, else to the line's end."""
    if only := _texts_that_answer(question):
        return OneOf(**sampling.model_dump(), only=only)
    if question.answer_kind not in ("text", "expression"):
        return sampling
    stop = tuple(one for one in sampling.stop if one != " ") or ("\n",)
    return sampling.model_copy(update={"stop": stop, "max_tokens": max(sampling.max_tokens, 32)})


def _texts_that_answer(question: Question) -> tuple[str, ...]:
    """What may follow "The answer is" where only few texts answer; empty where any may."""
    if question.answer_kind == "choice" and question.choices:
        return tuple(f" {letter(place)}" for place in range(len(question.choices)))
    if question.answer_kind == "boolean":
        words = {
            word for pair in PAIRS if question.answer.strip().casefold() in pair for word in pair
        }
        return tuple(f" {word}" for word in sorted(words))
    return ()
