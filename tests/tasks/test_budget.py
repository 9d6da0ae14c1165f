"""The limits of a run, alone and under synthesis and evaluation."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path as File

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from storage.errors import InputError, Stopped
from storage.open_store import Store, open_store
from storage.records import Answer, Path
from tasks.asking import Asking
from tasks.budget import Budget, LimitedEngine, Limits, Parked, Spending
from tasks.evaluation.evaluate_model import evaluate_model
from tasks.settings import Sampling, SynthesisSettings
from tasks.synthesis.synthesize_paths import SynthesisReport, synthesize_paths
from tasks.verification.verify_paths import Judge
from tests.fakes.ladder_examples import MODEL, always_right, guidelines, question, settings
from tests.fakes.scripted_engine import ScriptedEngine, TextRenderer, marked_prompts
from tests.fakes.small_store import SETS

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
QUESTIONS = [question(number) for number in range(40)]
EVERY_CHAIN = settings(chains_per_question=3, adaptive=False, hinted_retry=False)


def run(store: Store, spending: Spending) -> SynthesisReport:
    with Judge() as judge:
        return synthesize_paths(
            Asking(
                store,
                ScriptedEngine(always_right),
                TextRenderer(),
                judge,
                model=MODEL,
                prompts=marked_prompts(),
                settings=EVERY_CHAIN,
                draw=1,
            ),
            QUESTIONS,
            guidelines(),
            spending=spending,
        )


@pytest.fixture
def store(tmp_path: File) -> Store:
    return open_store(f"duckdb:///{tmp_path / 'a.duckdb'}")


def test_run_after_run_with_a_token_budget_ends_with_every_path(store: Store) -> None:
    reasons: list[str] = []
    for _ in range(20):
        spending = Spending(Limits(tokens=600))
        report = run(store, spending)
        assert report.tokens == spending.tokens <= 600
        assert sum(report.fates.values()) == report.candidates
        reasons.append(report.stopped_by)
        if report.complete:
            break

    assert len(reasons) > 2
    assert reasons == ["run_tokens"] * (len(reasons) - 1) + [""]
    assert len(store.select(Path)) == 120


def test_money_counts_the_time_and_the_tokens_of_the_whole_run() -> None:
    now = NOON
    prices = SynthesisSettings(price_per_hour=2.0, price_per_million_tokens=10.0)
    spending = Spending(Limits(money=5.0), prices, now=lambda: now)
    spending.tokens += 100_000

    now = NOON + timedelta(hours=1.5)
    assert spending.money == pytest.approx(4.0)
    spending.check()
    now = NOON + timedelta(hours=2)

    with pytest.raises(Stopped, match=r"money budget of 5 is spent \(5\.00\)"):
        spending.check()


def test_a_money_budget_without_a_price_is_refused() -> None:
    with pytest.raises(InputError, match="price_per_hour"):
        Spending(Limits(money=5.0), SynthesisSettings())


def test_evaluation_ends_at_a_budget_with_what_arrived_and_the_next_run_asks_the_rest(
    store: Store,
) -> None:
    questions = [replace(one, question_set_id=SETS[0].id, part="gate") for one in QUESTIONS]

    def answers(tokens: int) -> int:
        scripted = ScriptedEngine(always_right, delay=lambda _: 0.001)
        engine = LimitedEngine(scripted, Spending(Limits(tokens=tokens)))
        with Judge() as judge:
            evaluate_model(
                Asking(
                    store,
                    engine,
                    TextRenderer(),
                    judge,
                    model=MODEL,
                    prompts=marked_prompts(),
                    settings=EVERY_CHAIN,
                    draw=1,
                ),
                questions,
                "base",
            )
        return len(scripted.asked)

    store.append([SETS[0], *questions])
    with pytest.raises(Stopped, match="budget of 100 tokens is spent"):
        answers(100)
    first = len(store.select(Answer))
    assert 0 < first < len(QUESTIONS)

    assert answers(0) == len(QUESTIONS) - first
    assert len(store.select(Answer)) == len(QUESTIONS)


def test_an_engine_within_limits_never_generates_more_than_they_allow() -> None:
    spending = Spending(Limits(tokens=100))
    engine = LimitedEngine(ScriptedEngine(lambda _: "word " * 8), spending)

    async def ask() -> list[object]:
        asking = (engine.complete([1], Sampling(max_tokens=8), seed) for seed in range(50))
        return await asyncio.gather(*asking, return_exceptions=True)

    replies = asyncio.run(ask())

    assert spending.tokens <= 100
    assert (
        sum(isinstance(reply, Stopped) for reply in replies) == 50 - 12
    )  # twelve times eight words


def ask_all(budget: Budget, requests: list[tuple[int, int]]) -> list[bool]:
    """Asks at once for so many tokens each, and generates so many; which of them were parked."""

    async def ask(most: int, used: int) -> bool:
        try:
            await budget.reserve(most)
        except Parked:
            return True
        await asyncio.sleep(0)
        budget.spend(most, used)
        return False

    async def ask_each() -> list[bool]:
        return await asyncio.wait_for(asyncio.gather(*(ask(*one) for one in requests)), 60)

    return asyncio.run(ask_each())


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    of_run=st.integers(0, 120),
    of_round=st.integers(0, 120),
    earlier=st.integers(0, 60),
    requests=st.lists(
        st.integers(1, 20).flatmap(lambda most: st.tuples(st.just(most), st.integers(0, most))),
        max_size=30,
    ),
)
def test_no_limit_of_any_payer_is_passed_and_the_end_has_the_reason_of_one_that_does_not_fit(
    of_run: int, of_round: int, earlier: int, requests: list[tuple[int, int]]
) -> None:
    run = Spending(Limits(tokens=of_run))
    round_own = Spending.of_round(SynthesisSettings(token_budget=of_round), earlier)
    budget = Budget(round_own, run)

    parked = ask_all(budget, requests)

    assert run.tokens == round_own.tokens
    assert run.tokens <= (of_run or run.tokens)
    if of_round and run.tokens:
        assert earlier + run.tokens <= of_round
    full = {
        reason
        for reason, limit, used in (
            ("run_tokens", of_run, run.tokens),
            ("token_budget", of_round, earlier + run.tokens),
        )
        if limit and used + 20 > limit
    }
    assert any(parked) == bool(budget.stopped_by)
    assert budget.stopped_by in full | {""}


def test_a_round_begun_with_a_money_budget_and_no_price_goes_on() -> None:
    assert Spending.of_round(SynthesisSettings(money_budget=5.0), 0).over() == ""
