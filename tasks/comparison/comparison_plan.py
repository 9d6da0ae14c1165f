"""What a comparison would still do, told before anything runs. Reads only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from storage.records import Model, Pool, Question
from tasks.comparison.contest import Contest, Try, check_comparison
from tasks.comparison.learning_rates import is_answered
from tasks.comparison.lessons import iterations_of
from tasks.comparison.pool import PoolPlan, draw_of
from tasks.comparison.training_sets import pool_plan
from tasks.ingestion.ingest_questions import train_questions_ahead
from tasks.rules.comparison.comparison_forecast import (
    Amounts,
    ComparisonForecast,
    forecast_comparison,
    tests_of,
)
from tasks.rules.comparison.methods import Contender
from tasks.synthesis.synthesis_plan import plan_synthesis

FEW = 64
"""Questions that stand for all of a pool of which nothing is there yet."""
UNSOLVED = 0.5
"""The share of questions for which a forecast expects a hinted retry."""


NOT_TRAINED_YET = Model(
    id=UUID(int=0),
    name="not trained yet",
    base_model_id=UUID(int=0),
    adapter_id=None,
    revision="",
    chat_template_hash="",
)


class ContestAhead(Contest):
    """A comparison that may not have begun; its train questions are drawn, not stored."""

    def train_questions(self, seed: int) -> list[Question]:
        if seed not in self.train:
            self.train[seed] = train_questions_ahead(self.store, self.seeded(seed), draw_of(seed))
        return self.train[seed]

    def rates_of(self, contender: Contender, seed: int) -> tuple[float, ...]:
        """At most: the fixed rate and another one, where nothing is chosen yet."""
        if (
            not contender.method.trains
            or seed == self.seeds[0]
            or contender.name in self.chosen_rates
        ):
            return super().rates_of(contender, seed)
        return self.settings.comparison.learning_rates[:2]


def plan_comparison(contest: ContestAhead) -> ComparisonForecast:
    """The forecast of what is still to be done."""
    check_comparison(contest.settings)
    wanted = [
        (one, seed, iteration + 1)
        for seed in contest.seeds
        for one in contest.tries(seed)
        for iteration in range(iterations_of(contest, one))
    ]
    requests = _requests(contest)
    trained = [each for each in wanted if each[0].contender.method.trains]
    missing = [each for each in trained if contest.trial(*each) is None]
    amounts = Amounts(
        requests=requests,
        trainings=len(missing),
        examples=_most_examples(contest),
        final_answers=_final_answers(contest, wanted),
        dev_answers=_dev_answers(contest),
        server_starts=bool(requests) + 2 * bool(missing),
    )
    return forecast_comparison(
        contest.settings, amounts, tests_of([one.name for one in contest.contenders])
    )


def _requests(contest: ContestAhead) -> Counter[str]:
    """What the pools still ask, by stage; those of later rounds are reckoned like the first."""
    requests: Counter[str] = Counter()
    for seed in contest.seeds:
        tries = [one for one in contest.tries(seed) if one.contender.method.teaches == "paths"]
        plans = [pool_plan(contest, one, seed, 1) for one in tries]
        for plan in _widest(plans):
            if contest.store.get(Pool, plan.id) is None:
                requests += _requests_of(contest, plan)
        for one, plan in zip(tries, plans, strict=True):
            rounds = range(2, iterations_of(contest, one) + 1)
            missing = sum(contest.trial(one, seed, number) is None for number in rounds)
            later = (
                _requests_of(contest, replace(plan, model=NOT_TRAINED_YET))
                if missing
                else Counter[str]()
            )
            requests += Counter({stage: count * missing for stage, count in later.items()})
    return requests


def _widest(plans: Sequence[PoolPlan]) -> list[PoolPlan]:
    """Each pool once, without direct ones whose chains are the first of a larger one's."""

    def holds(larger: PoolPlan, other: PoolPlan) -> bool:
        one, two = larger.synthesis, other.synthesis
        return (
            (one.strategy, two.strategy) == ("direct", "direct")
            and one.chains_per_question > two.chains_per_question
            and one.hinted_only == two.hinted_only
            and one.hinted_retry >= two.hinted_retry
        )

    once = list({plan.id: plan for plan in plans}.values())
    return [plan for plan in once if not any(holds(other, plan) for other in once)]


def _requests_of(contest: ContestAhead, plan: PoolPlan) -> Counter[str]:
    """One pool's; where nothing of its draw is there, a few questions stand for all."""
    begun = contest.store.query("SELECT 1 FROM paths WHERE draw = ? LIMIT 1", [plan.draw]).num_rows
    asked = plan.questions if begun else plan.questions[:FEW]
    planned = plan_synthesis(contest.store, plan.ladder, asked, plan.settings.selection)
    found = Counter(planned.to_generate)
    found.update(
        {stage: round(count * UNSOLVED) for stage, count in planned.hinted_at_most.items()}
    )
    return Counter(
        {
            stage: round(count * len(plan.questions) / max(1, len(asked)))
            for stage, count in found.items()
        }
    )


def _most_examples(contest: ContestAhead) -> int:
    """Of a training set: what the settings keep of every question, or their limit."""
    settings = contest.settings
    kept = min(settings.selection.keep_per_question, settings.synthesis.chains_per_question)
    most = kept * settings.questions.train_per_set * len(settings.questions.in_domain)
    return min(most, settings.comparison.most_examples or most)


def _final_answers(contest: ContestAhead, wanted: Sequence[tuple[Try, int, int]]) -> int:
    sizes = contest.settings.questions
    asked = sizes.final_per_set * (len(sizes.in_domain) + len(sizes.out_of_domain))
    once = {one.contender.name for one, _, _ in wanted if not one.contender.method.trains}
    models = len(once)
    for each in wanted:
        trial = contest.trial(*each)
        if trial is None:
            models += each[0].contender.method.trains
        elif is_answered(contest, trial, contest.final_questions):
            models -= each[0].contender.name in once
            once.discard(each[0].contender.name)
        else:
            models += each[0].contender.method.trains
    return models * asked


def _dev_answers(contest: ContestAhead) -> int:
    if contest.chosen_rates:
        return 0
    sizes = contest.settings.questions
    trained = sum(one.method.trains for one in contest.contenders)
    rates = len(contest.settings.comparison.learning_rates)
    return trained * rates * sizes.gate_per_set * len(sizes.in_domain)
