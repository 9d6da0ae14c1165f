"""From pools to training sets at a matched budget, and the trial's row.

Each (method, learning rate) enters with what its filter lets through; what is trained on is decided
over all of them together. Everything is read from the store, so a rerun decides the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from storage.errors import InputError, PermanentError
from storage.ids import content_id, seed_of
from storage.records import Adapter, Model, Path, Prompt, Question, TrainingSet, Trial
from tasks.comparison.contest import Contest, Try
from tasks.comparison.pool import PoolPlan, draw_of, pool_costs, pool_paths
from tasks.prompt_files import prompt_record
from tasks.rules.comparison.matched_budgets import (
    Entry,
    match_paths,
    match_questions,
    refuse_empty,
    within_tokens,
)
from tasks.rules.comparison.methods import Contender, pool_settings
from tasks.rules.comparison.reference_texts import few_shot_prompt, stated_answer, stated_rationale
from tasks.rules.training.collapse import distinct_share
from tasks.rules.training.selection import Candidate, Choice, rank, where_hints_were_due
from tasks.training.candidates import Drawn, as_candidates, read_held_out
from tasks.training.decisions import Decisions
from tasks.training.select_examples import SelectionPlan, choose, describe, keep

REFERENCE = Model(
    id=content_id("models", "reference"),
    name="reference",
    base_model_id=content_id("models", "reference"),
    adapter_id=None,
    revision="",
    chat_template_hash="",
)
"""Who wrote the texts of strategy `reference`: the question sets' authors."""


@dataclass(frozen=True)
class Entrant:
    """A try with what it may choose from at one iteration."""

    one: Try
    seed: int
    iteration: int
    candidates: list[Candidate]
    tokens: dict[UUID, float]
    """What each candidate's chain took, by path id."""

    @property
    def contender(self) -> Contender:
        return self.one.contender

    @property
    def spent(self) -> float:
        """Generated tokens of its candidates."""
        return sum(self.tokens.get(one.path.id, 0.0) for one in self.candidates)


def generator_of(contest: Contest, one: Try, seed: int, iteration: int) -> Model:
    """The writer of an iteration's paths: the base, then the model trained before."""
    if iteration == 1:
        return contest.base
    trial = contest.trial(one, seed, iteration - 1)
    model = contest.store.get(Model, trial.model_id) if trial else None
    if model is None:
        raise PermanentError(
            f"{one.contender.name}, seed {seed}: iteration {iteration - 1} must be trained first."
        )
    return model


def pool_plan(contest: Contest, one: Try, seed: int, iteration: int) -> PoolPlan:
    """The pool that a try draws on at an iteration."""
    synthesis = pool_settings(contest.settings, contest.contenders, one.contender)
    return PoolPlan(
        settings=contest.seeded(seed).model_copy(update={"synthesis": synthesis}),
        model=generator_of(contest, one, seed, iteration),
        questions=contest.train_questions(seed),
        prompts=contest.prompts,
        guidelines=contest.guidelines,
    )


def entrant(contest: Contest, one: Try, seed: int, iteration: int) -> Entrant:
    """The candidates that a try may choose its training examples from."""
    method = one.contender.method
    if method.teaches != "paths":
        written = _reference_candidates(contest, one.contender, seed)
        return Entrant(one, seed, iteration, _of(one.contender, contest, written), {})
    first = 1 if method.trains_on == "all" else iteration
    found: list[Candidate] = []
    tokens: dict[UUID, float] = {}
    for number in range(first, iteration + 1):
        plan = pool_plan(contest, one, seed, number)
        paths = pool_paths(contest.store, plan)
        costs = pool_costs(contest.store, plan, paths)
        questions = {question.id: question for question in plan.questions}
        verifier = "majority" if method.accept == "majority" else ""
        candidates = as_candidates(contest.store, paths, questions, [plan.draw], verifier)
        if method.hints == "unsolved":
            candidates = where_hints_were_due(candidates, contest.settings.selection)
        found += _of(one.contender, contest, candidates)
        tokens |= costs.by_path
    return Entrant(one, seed, iteration, found, tokens)


def token_budget(contest: Contest, entrants: Sequence[Entrant]) -> float | None:
    """With `match = "tokens"`, what the most frugal method spends in its first iteration."""
    if contest.settings.comparison.match != "tokens":
        return None
    whole = [
        one.spent * one.contender.parts * one.contender.iterations(contest.settings)
        for one in entrants
        if one.contender.method.teaches == "paths"
    ]
    return min(whole, default=0.0)


def choose_examples(
    contest: Contest, entrants: Sequence[Entrant], budget: float | None
) -> list[list[Choice]]:
    """One choice per candidate for each entrant, at a budget that all of them can meet."""
    seed, comparison = entrants[0].seed, contest.settings.comparison
    entries = [_entry(contest, one, budget) for one in entrants]
    if comparison.match == "questions":
        matched = match_questions(entries, seed, comparison.most_examples)
    elif comparison.match == "tokens":
        matched = [match_paths([entry], seed, comparison.most_examples)[0] for entry in entries]
    else:
        matched = match_paths(entries, seed, comparison.most_examples)
    refuse_empty(entries, matched, contest.settings.training.min_examples)
    return matched


def choose_between_rounds(
    contest: Contest, entrant: Entrant, size: int, budget: float | None
) -> list[Choice]:
    """The choices of a middle iteration: at most as many examples as in the first."""
    return match_paths(
        [_entry(contest, entrant, budget)], entrant.seed, size * entrant.contender.parts
    )[0]


def keep_examples(contest: Contest, entrant: Entrant, choices: Sequence[Choice]) -> TrainingSet:
    """The training set, stored with a reason for each candidate that is not in it."""
    settings = contest.seeded(entrant.seed).model_copy(
        update={"selection": entrant.contender.selection(contest.settings)}
    )
    kept = sorted(str(choice.candidate.path.id) for choice in choices if choice.kept)
    answer = contest.prompts["answer"]
    selection = settings.selection.model_dump(mode="json")
    identity = content_id(
        "training_sets",
        entrant.contender.name,
        selection,
        entrant.seed,
        answer.id,
        settings.training.max_tokens,
        kept,
        sorted(str(choice.candidate.path.id) for choice in choices),
    )
    known = contest.store.get(TrainingSet, identity)
    if known is not None:
        return known
    drawn = Drawn(
        (draw_of(entrant.seed),),
        tuple(one.id for one in contest.sets("in_domain")),
        (
            "reference"
            if entrant.contender.method.teaches != "paths"
            else entrant.contender.method.strategy
        ),
    )
    plan = SelectionPlan(settings, answer, entrant.seed, entrant.contender.name, count=len(kept))
    decisions, described = Decisions.of_choices(choices), describe(drawn, plan, {})
    return keep(contest.store, identity, decisions, plan, None, described)


def trial_of(
    contest: Contest,
    entrant: Entrant,
    choices: Sequence[Choice],
    training_set: TrainingSet,
    adapter: Adapter,
    model: Model,
) -> Trial:
    """The row of a trial that trained a model."""
    one, kept = entrant.one, [choice.candidate for choice in choices if choice.kept]
    taken = [choice.candidate for choice in choices if choice.reason != "over_budget"]
    method = one.contender.method
    own = method.teaches == "paths"
    tokens = sum(entrant.tokens.get(candidate.path.id, 0.0) for candidate in taken)
    earlier = (
        contest.trial(one, entrant.seed, entrant.iteration - 1)
        if method.trains_on == "newest"
        else None
    )
    texts = [candidate.path.text.casefold().split() for candidate in kept]
    matched_out = ("over_count", "unmatched_question")
    return Trial(
        id=contest.trial_id(one, entrant.seed, entrant.iteration),
        comparison_id=contest.record.id,
        method=one.contender.name,
        seed=entrant.seed,
        iteration=entrant.iteration,
        iterations=one.contender.iterations(contest.settings),
        learning_rate=one.learning_rate,
        pool_id=pool_plan(contest, one, entrant.seed, entrant.iteration).id if own else None,
        training_set_id=training_set.id,
        adapter_id=adapter.id,
        model_id=model.id,
        prompt_id=contest.prompts["answer"].id,
        candidates=len(taken),
        filtered=sum(choice.kept or choice.reason in matched_out for choice in choices),
        examples=len(kept),
        hinted_examples=sum(candidate.path.hinted for candidate in kept),
        questions=len({candidate.question.id for candidate in kept}),
        paths_spent=len(taken) + (earlier.paths_spent if earlier else 0) if own else 0,
        tokens_spent=round(tokens) + (earlier.tokens_spent if earlier else 0),
        distinct_2=distinct_share(texts, 2) or 0.0,
        created_at=datetime.now(UTC),
    )


def untrained_trial(contest: Contest, one: Try, seed: int) -> Trial:
    """The row of base or few_shot, and the prompt that it answers with, stored."""
    prompt = answer_prompt(contest, one.contender, seed)
    trial = Trial(
        id=contest.trial_id(one, seed, 1),
        comparison_id=contest.record.id,
        method=one.contender.name,
        seed=seed,
        iteration=1,
        iterations=1,
        learning_rate=0.0,
        pool_id=None,
        training_set_id=None,
        adapter_id=None,
        model_id=contest.base.id,
        prompt_id=prompt.id,
        candidates=0,
        filtered=0,
        examples=0,
        hinted_examples=0,
        questions=0,
        paths_spent=0,
        tokens_spent=0,
        distinct_2=0.0,
        created_at=datetime.now(UTC),
    )
    contest.store.append([prompt, trial])
    return trial


def answer_prompt(contest: Contest, contender: Contender, seed: int) -> Prompt:
    """The prompt that a method answers with, below solved train questions if it has any."""
    plain = contest.prompts["answer"]
    shots = contender.method.shots
    if not shots:
        return plain
    in_turn = sorted(contest.train_questions(seed), key=lambda one: rank(seed, one.id))
    by_set = [
        [one for one in in_turn if one.question_set_id == own.id]
        for own in contest.sets("in_domain")
    ]
    turns = [
        one
        for place in range(shots)
        for questions in by_set
        for one in questions[place : place + 1]
    ]
    return prompt_record("answer", few_shot_prompt(plain.text, turns[:shots]))


def _of(contender: Contender, contest: Contest, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that the contender may use at all."""
    left_out = {one.id for one in contest.guidelines if one.position in contender.without}
    own_sets = {one.id for one in contest.sets("in_domain") if contender.only_set in ("", one.name)}
    return [
        one
        for one in candidates
        if one.question.question_set_id in own_sets
        and one.path.guideline_id not in left_out
        and not (one.path.hinted and contender.method.hints == "never")
    ]


def _reference_candidates(contest: Contest, contender: Contender, seed: int) -> list[Candidate]:
    """The sets' own texts as paths, stored so that an example walks back to its question."""
    write: Callable[[Question], str] = (
        stated_answer if contender.method.teaches == "answers" else stated_rationale
    )
    prompt = prompt_record(
        "reference", f"[assistant]\n{contender.method.teaches} of the question's set"
    )
    questions = {question.id: question for question in contest.train_questions(seed)}
    paths = [
        _reference_path(question, write(question), prompt, seed) for question in questions.values()
    ]
    written = [path for path in paths if path.text]
    if not written:
        raise InputError(
            f"Method {contender.name!r} needs question sets that come with"
            f" {contender.method.teaches}; none of"
            f" {', '.join(contest.settings.questions.in_domain)} does. Leave it out of --methods."
        )
    contest.store.append([REFERENCE, prompt, *written])
    return as_candidates(contest.store, written, questions, [draw_of(seed)])


def _reference_path(question: Question, text: str, prompt: Prompt, seed: int) -> Path:
    identity = content_id(
        "paths", str(question.id), str(REFERENCE.id), str(prompt.id), draw_of(seed)
    )
    return Path(
        id=identity,
        question_id=question.id,
        model_id=REFERENCE.id,
        prompt_id=prompt.id,
        sampling="{}",
        draw=draw_of(seed),
        sample=0,
        hinted=False,
        text=text,
        finish_reason="stop",
        prompt_tokens=0,
        completion_tokens=0,
        seed=seed_of(identity),
        endpoint="none",
        round_id=None,
        created_at=question.created_at,
        strategy="reference",
        guideline_id=None,
        adapted_guideline_id=None,
        structure_id=None,
        closed=False,
    )


def _entry(contest: Contest, entrant: Entrant, budget: float | None) -> Entry:
    """What the method's filter lets through, within its budget of tokens where one is given."""
    contender, seed = entrant.contender, entrant.seed
    settings = contest.seeded(seed).model_copy(
        update={"selection": contender.selection(contest.settings)}
    )
    held_out = {
        one.id: one
        for one in [*read_held_out(contest.store, [draw_of(seed)]), *contest.dev_questions]
    }
    candidates, unpaid = entrant.candidates, list[Choice]()
    if budget is not None and contender.method.teaches == "paths":
        pools = entrant.iteration if contender.method.trains_on == "all" else 1
        share = budget * pools / contender.parts / contender.iterations(contest.settings)
        paid = within_tokens(candidates, entrant.tokens, share, seed)
        unpaid = [
            Choice(one, False, "over_budget") for one in candidates if one.path.id not in paid
        ]
        candidates = [one for one in candidates if one.path.id in paid]
    choices = choose(
        candidates,
        list(held_out.values()),
        SelectionPlan(settings, contest.prompts["answer"], seed),
    )
    return Entry(
        contender.name, [*choices, *unpaid], settings.selection.max_hinted_share, contender.parts
    )
