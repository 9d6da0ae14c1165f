"""The step from judged paths to a training set, with a row and a reason for every path.

Candidates come from the store one by one, `rules.selection` and `rules.contamination` decide, and
every decision is stored with its reason. The same candidates, settings and seed give the same set;
a rerun writes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from storage.errors import InputError, PermanentError
from storage.ids import canonical, content_id_of
from storage.records import (
    Prompt,
    Question,
    Round,
    Selection,
    Strategy,
    TrainingExample,
    TrainingSet,
)
from storage.store.batches import tables_of
from tasks.rules.ladder.leak import mentions_given_answer
from tasks.rules.ladder.prompts import PromptTemplate, Turns, ask_question, parse_prompt
from tasks.rules.training.contamination import Overlap, find_overlaps
from tasks.rules.training.selection import (
    Candidate,
    Choice,
    Passed,
    Rows,
    beyond_limits,
    refusal,
)
from tasks.settings import Settings
from tasks.training.candidates import (
    Drawn,
    read_asked,
    read_candidates,
    read_held_out,
    read_questions,
)
from tasks.training.decisions import KEPT, Decisions
from tasks.training.training_set_rows import completion, digest_of, example_rows, selection_rows

if TYPE_CHECKING:
    from storage.open_store import Store


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
        asked, held_out = read_asked(store, drawn), read_held_out(store, drawn.draws)
    overlaps = overlaps_of(read_questions(store, asked), held_out, settings)
    verifier = "majority" if settings.selection.accept == "majority" else ""
    decisions = decide(read_candidates(store, drawn, asked, verifier), overlaps, plan)
    # the hash of all that the choice depends on
    identity = training_set_id(decisions, held_out, drawn, plan)
    known = store.get(TrainingSet, identity)
    if known is not None:
        return known
    described = describe(drawn, plan, overlaps)
    return keep(store, identity, decisions, plan, round, described)


def choose(
    candidates: Sequence[Candidate], held_out: Sequence[Question], plan: SelectionPlan
) -> list[Choice]:
    """One choice per candidate.

    Raises PermanentError where too many overlap held-out questions.
    """
    questions = {candidate.question.id: candidate.question for candidate in candidates}
    overlaps = overlaps_of(questions.values(), held_out, plan.settings)
    decisions = decide(candidates, overlaps, plan)
    return [
        Choice(candidate, reason == KEPT, reason)
        for candidate, reason in zip(candidates, decisions.reasons, strict=True)
    ]


def overlaps_of(
    questions: Iterable[Question], held_out: Sequence[Question], settings: Settings
) -> dict[UUID, Overlap]:
    """The questions that overlap held-out ones, as the settings have it."""
    selection = settings.selection
    return find_overlaps(
        questions,
        held_out,
        selection.contamination_share,
        selection.contamination_template_questions,
    )


def decide(
    candidates: Iterable[Candidate], overlaps: Mapping[UUID, Overlap], plan: SelectionPlan
) -> Decisions:
    """What becomes of each candidate; none of them is kept in memory.

    Raises PermanentError where too many overlap held-out questions.
    """
    selection, template = plan.settings.selection, parse_prompt(plan.answer_prompt.text)
    decisions, passed = Decisions(), Passed()
    for place, candidate in enumerate(candidates):
        own = refusal(candidate, selection, _leaks)
        if not own:
            passed.add(place, candidate)
        overlapping = "contaminated" if candidate.question.id in overlaps else ""
        decisions.add(candidate, _over_length(candidate, plan, template) or overlapping or own)
    rows, reasons = passed.rows(), decisions.reasons
    refuse_contaminated_set(rows, overlaps, plan.settings)
    still_open = rows[[not reasons[place] for place in rows["place"]]]
    for place in still_open["place"]:
        reasons[place] = KEPT
    for reason, places in beyond_limits(still_open, selection, plan.seed, plan.count).items():
        for place in places:
            reasons[place] = reason
    return decisions


def keep(
    store: "Store",
    identity: UUID,
    decisions: Decisions,
    plan: SelectionPlan,
    round: Round | None,
    described: str,
) -> TrainingSet:
    """The training set of what is kept, stored with a row for each decision."""
    examples = example_rows(store, identity, decisions, plan.answer_prompt, plan.seed)
    training_set = TrainingSet(
        id=identity,
        round_id=round.id if round else None,
        method=plan.method,
        settings=described,
        seed=plan.seed,
        examples=examples.num_rows,
        hinted_examples=sum(one.hinted for one in decisions.kept()),
        digest=digest_of(examples),
        created_at=datetime.now(UTC),
        snapshot=store.snapshot(),
    )
    # one transaction: there is no training set without the reason of every path that it left out
    store.append_tables(
        {
            Selection.table: selection_rows(identity, decisions),
            **tables_of([training_set]),
            TrainingExample.table: examples,
        }
    )
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


def training_set_id(
    decisions: Decisions, held_out: Sequence[Question], drawn: Drawn, plan: SelectionPlan
) -> UUID:
    """Hash of everything that the choice depends on, with each candidate and its verdict."""
    before = canonical(
        [
            "training_sets",
            plan.method,
            plan.settings.selection.model_dump(mode="json"),
            plan.settings.training.max_tokens,
            plan.seed,
            plan.count,
            plan.answer_prompt.id,
            list(drawn.draws),
            drawn.strategy,
        ]
    ).removesuffix("]")
    after = canonical(sorted(str(question.id) for question in held_out))
    return content_id_of(
        chain(
            [before],
            _listed(str(one.path_id) for one in decisions),
            _listed(str(one.verdict_id or "") for one in decisions),
            [f",{after}]"],
        )
    )


def refuse_contaminated_set(
    passed: Rows, overlaps: Mapping[UUID, Overlap], settings: Settings
) -> None:
    """Raise when too large a share of what would be trained on overlaps held-out questions.

    `passed`: the candidates that nothing in themselves refuses.
    """
    shared = [
        str(overlap.held_out_id) for key, overlap in overlaps.items() if key == overlap.held_out_id
    ]
    if shared:
        raise PermanentError(
            f"Training questions must not be gate or final questions; found {len(shared)} that are,"
            f" first {shared[0]}. Ingest the set again so that its parts are disjoint."
        )
    if not overlaps:
        return
    # what would be trained on without the refusal of contaminated paths: the share is of that set
    beyond = beyond_limits(passed, settings.selection, 0)
    would_train = passed[~np.isin(passed["place"], np.concatenate(list(beyond.values())))]
    gone = would_train[np.isin(would_train["question"], [key.bytes for key in overlaps])]
    limit = settings.selection.contamination_block_share
    if len(gone) > limit * len(would_train):
        first = UUID(bytes=bytes(gone[np.argmin(gone["path"])]["question"]).ljust(16, b"\0"))
        overlap = overlaps[first]
        raise PermanentError(
            f"At most {limit:.0%} of a training set may overlap held-out questions; found"
            f" {len(gone)} of {len(would_train)} examples, first question"
            f" {first} with {overlap.held_out_id} (share {overlap.share:.2f})."
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


def _over_length(candidate: Candidate, plan: SelectionPlan, template: PromptTemplate) -> str:
    """The reason where the whole example is longer than training takes, and somebody can count."""
    if plan.count_tokens is None:
        return ""
    asked = ask_question(template, candidate.question)
    tokens = plan.count_tokens(asked, completion(template, candidate.path))
    return "over_length" if tokens > plan.settings.training.max_tokens else ""


def _leaks(candidate: Candidate) -> bool:
    return any(
        mentions_given_answer(candidate.path.text, one)
        for one in candidate.question.accepted_answers
    )


def _listed(ids: Iterable[str]) -> Iterator[str]:
    """A JSON list of ids in pieces, behind the comma that it needs among other parts."""
    yield ",["
    for place, id in enumerate(ids):
        yield f',"{id}"' if place else f'"{id}"'
    yield "]"
