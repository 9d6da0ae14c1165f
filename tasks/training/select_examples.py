"""The step from judged paths to a training set, with a row and a reason for every path.

Asks the store for the line's candidates, lets `rules.selection` and `rules.contamination` decide,
stores every decision with its reason. The same candidates, settings and seed give the same set; a
rerun writes nothing.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from storage.errors import InputError, PermanentError
from storage.ids import canonical, content_id
from storage.records import (
    Path,
    Prompt,
    Question,
    Round,
    Selection,
    Strategy,
    TrainingExample,
    TrainingSet,
    Verdict,
)
from tasks.rules.ladder.leak import mentions_given_answer
from tasks.rules.ladder.prompts import PromptTemplate, Turns, ask_question, parse_prompt
from tasks.rules.training.contamination import Overlap, find_overlaps
from tasks.rules.training.selection import Candidate, Choice, rank, select_paths
from tasks.settings import Settings

if TYPE_CHECKING:
    from storage.open_store import Store


class Drawn(NamedTuple):
    """Which paths may be chosen from."""

    draws: tuple[int, ...]
    question_set_ids: tuple[UUID, ...]
    strategy: Strategy


@dataclass(frozen=True)
class SelectionPlan:
    """How examples are chosen and worded: the part of a training set's id besides its paths."""

    settings: Settings
    answer_prompt: Prompt
    seed: int
    method: str = "regenesis"
    count: int = 0
    """Most examples; 0: no limit."""
    count_tokens: Callable[[Turns, str], int] | None = None
    """Tokens of a whole example; what is over `training.max_tokens` is refused as `over_length`."""

    @classmethod
    def of_round(
        cls,
        round: Round | None,
        settings: Settings,
        prompts: Mapping[str, Prompt],
        *,
        method: str = "regenesis",
        count: int = 0,
        count_tokens: Callable[[Turns, str], int] | None = None,
    ) -> "SelectionPlan":
        """A round's own plan: each round chooses by another seed."""
        seed = settings.seed + (round.number if round else 0)
        return cls(settings, prompts["answer"], seed, method, count, count_tokens)


def select_examples(
    store: "Store",
    plan: SelectionPlan,
    *,
    round: Round | None,
    question_set_ids: Sequence[UUID],
    draws: Sequence[int] | None = None,
    strategy: Strategy | None = None,
) -> TrainingSet:
    """The training set of a round, stored.

    `draws` default to all of this line so far (`start = "base"`).

    Raises PermanentError when too much of it is contaminated.
    """
    settings = plan.settings
    drawn = Drawn(
        tuple(draws) if draws is not None else draws_so_far(store, round, settings),
        tuple(question_set_ids),
        strategy or settings.synthesis.strategy,
    )
    with store.reading():
        verifier = "majority" if settings.selection.accept == "majority" else ""
        candidates, held_out = (
            read_candidates(store, drawn, verifier),
            read_held_out(store, drawn.draws),
        )
    # the hash of all that the choice depends on: known before anything is chosen, so a rerun stops
    # here
    identity = training_set_id(candidates, held_out, drawn, plan)
    known = store.get(TrainingSet, identity)
    if known is not None:
        return known
    choices, overlaps = choose(candidates, held_out, plan)
    return keep(store, identity, choices, plan, round, describe(drawn, plan, overlaps))


def choose(
    candidates: Sequence[Candidate], held_out: Sequence[Question], plan: SelectionPlan
) -> tuple[list[Choice], dict[UUID, Overlap]]:
    """One choice per candidate, and the questions that overlap held-out ones.

    Raises PermanentError for too many.
    """
    selection = plan.settings.selection
    questions = {candidate.question.id: candidate.question for candidate in candidates}
    overlaps = find_overlaps(
        list(questions.values()),
        held_out,
        selection.contamination_share,
        selection.contamination_template_questions,
    )
    refused = {
        candidate.path.id: "contaminated"
        for candidate in candidates
        if candidate.question.id in overlaps
    } | _over_length(candidates, plan)
    choices = select_paths(
        candidates, selection, plan.seed, refused=refused, leaks=_leaks, count=plan.count
    )
    refuse_contaminated_set(choices, candidates, overlaps, plan.settings)
    return choices, overlaps


def keep(
    store: "Store",
    identity: UUID,
    choices: Sequence[Choice],
    plan: SelectionPlan,
    round: Round | None,
    described: str,
) -> TrainingSet:
    """The training set of the kept choices, stored with a row for each choice."""
    examples = build_examples(identity, choices, plan.answer_prompt, plan.seed)
    training_set = TrainingSet(
        id=identity,
        round_id=round.id if round else None,
        method=plan.method,
        settings=described,
        seed=plan.seed,
        examples=len(examples),
        hinted_examples=sum(choice.candidate.path.hinted for choice in choices if choice.kept),
        digest=digest_of(examples),
        created_at=datetime.now(UTC),
        snapshot=store.snapshot(),
    )
    # one transaction: there is no training set without the reason of every path that it left out
    store.append([*(_selection(identity, choice) for choice in choices), *examples, training_set])
    return training_set


def draws_so_far(store: "Store", round: Round | None, settings: Settings) -> tuple[int, ...]:
    """The draws to choose from: from the base all of the line so far, else this round's alone."""
    if round is None:
        raise InputError(
            "Examples are selected for a round or for named draws; found neither. Name the draws."
        )
    if settings.training.start == "champion":
        return (round.number,)
    line = store.select(Round, line=round.line)
    return tuple(
        sorted({other.number for other in line if other.number <= round.number} | {round.number})
    )


def read_candidates(store: "Store", drawn: Drawn, verifier: str = "") -> list[Candidate]:
    """Every stored path of these draws, sets and strategy with its newest verdict, by path id."""
    questions = {
        question.id: question
        for question in store.select(
            Question, question_set_id=list(drawn.question_set_ids), part="train"
        )
    }
    paths = [
        path
        for path in store.select(Path, draw=list(drawn.draws), strategy=drawn.strategy)
        if path.question_id in questions
    ]
    return as_candidates(store, paths, questions, drawn.draws, verifier)


def as_candidates(
    store: "Store",
    paths: Sequence[Path],
    questions: Mapping[UUID, Question],
    draws: Sequence[int],
    verifier: str = "",
) -> list[Candidate]:
    """Paths with their newest verdicts, ordered by path id.

    Those of the vote with verifier `majority`.
    """
    verdicts: dict[UUID, Verdict] = {}
    self_checks: dict[UUID, bool] = {}
    for verdict in store.select(Verdict, draw=list(draws)):
        if "self_check" in verdict.details:
            self_checks[verdict.path_id] = bool(json.loads(verdict.details).get("self_check", True))
        # The audit's second judge reads besides the first and never decides what is trained on.
        if verdict.verifier == "second" or (verdict.verifier == "majority") != (
            verifier == "majority"
        ):
            continue
        before = verdicts.get(verdict.path_id)
        # A person's word stands above a rule's; of two rules the newer version's.
        if before is None or _weight(verdict) > _weight(before):
            verdicts[verdict.path_id] = verdict
    return [
        Candidate(
            path, verdicts.get(path.id), questions[path.question_id], self_checks.get(path.id)
        )
        for path in sorted(paths, key=lambda path: path.id.bytes)
    ]


def read_held_out(store: "Store", draws: Sequence[int]) -> list[Question]:
    """Gate and final questions that this round may ask: fixed ones and those of its newest draw."""
    # earlier rounds' gate questions are not asked again: each round draws its own
    newest = max(draws, default=0)
    return [
        *store.select(Question, part="gate", draw=[0, newest]),
        *store.select(Question, part="final"),
    ]


def training_set_id(
    candidates: Sequence[Candidate], held_out: Sequence[Question], drawn: Drawn, plan: SelectionPlan
) -> UUID:
    """Hash of everything that the choice depends on."""
    verdicts = [str(candidate.verdict.id) if candidate.verdict else "" for candidate in candidates]
    return content_id(
        "training_sets",
        plan.method,
        plan.settings.selection.model_dump(mode="json"),
        plan.settings.training.max_tokens,
        plan.seed,
        plan.count,
        plan.answer_prompt.id,
        list(drawn.draws),
        drawn.strategy,
        [str(candidate.path.id) for candidate in candidates],
        verdicts,
        sorted(str(question.id) for question in held_out),
    )


def build_examples(
    identity: UUID, choices: Sequence[Choice], answer_prompt: Prompt, seed: int
) -> list[TrainingExample]:
    """Question -> path under the prompt that evaluation uses, in seeded order."""
    template = parse_prompt(answer_prompt.text)
    kept = sorted(
        (choice.candidate for choice in choices if choice.kept),
        key=lambda one: rank(seed, one.path.id),
    )
    return [
        TrainingExample(
            id=content_id("training_examples", identity, candidate.path.id),
            training_set_id=identity,
            path_id=candidate.path.id,
            question_id=candidate.question.id,
            position=position,
            prompt=ask_question(template, candidate.question).user,
            completion=_completion(template, candidate.path),
            draw=candidate.path.draw,
        )
        for position, candidate in enumerate(kept)
    ]


def refuse_contaminated_set(
    choices: Sequence[Choice],
    candidates: Sequence[Candidate],
    overlaps: Mapping[UUID, Overlap],
    settings: Settings,
) -> None:
    """Raise when too large a share of what would be trained on overlaps held-out questions."""
    shared = [
        str(overlap.held_out_id) for key, overlap in overlaps.items() if key == overlap.held_out_id
    ]
    if shared:
        raise PermanentError(
            f"Training questions must not be gate or final questions; found {len(shared)} that are,"
            f" first {shared[0]}. Ingest the set again so that its parts are disjoint."
        )
    # what would be trained on without the refusal of contaminated paths: the share is of that set
    open_choices = select_paths(candidates, settings.selection, 0, leaks=_leaks)
    would_train = [choice for choice in open_choices if choice.kept]
    gone = [choice for choice in would_train if choice.candidate.question.id in overlaps]
    limit = settings.selection.contamination_block_share
    if would_train and len(gone) > limit * len(would_train):
        first = overlaps[gone[0].candidate.question.id]
        raise PermanentError(
            f"At most {limit:.0%} of a training set may overlap held-out questions; found"
            f" {len(gone)} of {len(would_train)} examples, first question"
            f" {gone[0].candidate.question.id} with {first.held_out_id} (share {first.share:.2f})."
            " Ingest train and held-out parts that differ, or raise selection.contamination_share."
        )


def describe(drawn: Drawn, plan: SelectionPlan, overlaps: Mapping[UUID, Overlap]) -> str:
    """JSON kept with the set: settings, prompt, system message, prefill, overlapping pairs."""
    template = parse_prompt(plan.answer_prompt.text)
    return canonical(
        {
            "selection": plan.settings.selection.model_dump(mode="json"),
            "draws": list(drawn.draws),
            "strategy": drawn.strategy,
            "question_set_ids": [str(one) for one in drawn.question_set_ids],
            "count": plan.count,
            "prompt_id": str(plan.answer_prompt.id),
            "system": template.system,
            "prefill": template.assistant,
            "contaminated": [
                {
                    "question_id": str(key),
                    "held_out_id": str(overlap.held_out_id),
                    "share": round(overlap.share, 3),
                }
                for key, overlap in sorted(overlaps.items(), key=lambda pair: str(pair[0]))
            ],
        }
    )


def digest_of(examples: Sequence[TrainingExample]) -> str:
    """SHA-256 over prompts and completions, in order."""
    # a list of lists, in which no two sets of texts look alike
    text = json.dumps([[example.prompt, example.completion] for example in examples])
    return hashlib.sha256(text.encode()).hexdigest()


def _selection(identity: UUID, choice: Choice) -> Selection:
    path, verdict = choice.candidate.path, choice.candidate.verdict
    return Selection(
        id=content_id("selections", identity, path.id),
        training_set_id=identity,
        path_id=path.id,
        verdict_id=verdict.id if verdict else None,
        draw=path.draw,
        kept=choice.kept,
        reason=choice.reason,
    )


def _over_length(candidates: Sequence[Candidate], plan: SelectionPlan) -> dict[UUID, str]:
    """Paths whose whole example is longer than training takes; empty where nobody can count."""
    if plan.count_tokens is None:
        return {}
    template = parse_prompt(plan.answer_prompt.text)
    limit = plan.settings.training.max_tokens
    return {
        candidate.path.id: "over_length"
        for candidate in candidates
        if plan.count_tokens(
            ask_question(template, candidate.question), _completion(template, candidate.path)
        )
        > limit
    }


def _completion(template: PromptTemplate, path: Path) -> str:
    """The text that the model is taught: the path without words that the prompt begins."""
    return path.text.strip().removeprefix(template.assistant.strip()).strip()


def _leaks(candidate: Candidate) -> bool:
    return any(
        mentions_given_answer(candidate.path.text, one)
        for one in candidate.question.accepted_answers
    )


def _weight(verdict: Verdict) -> tuple[bool, datetime, str]:
    return verdict.verifier == "human", verdict.created_at, verdict.verifier_version
