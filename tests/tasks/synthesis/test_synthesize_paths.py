"""The synthesize step on a scripted engine and a real DuckDB file."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path as File
from uuid import UUID

import pytest

from storage.errors import InputError, TransientError
from storage.open_store import Store, open_store
from storage.records import (
    AdaptedGuideline,
    AnswerKind,
    FailedRequest,
    Guideline,
    Path,
    Question,
    Structure,
    Verdict,
)
from tasks.asking import Asking
from tasks.budget import Limits, Spending
from tasks.engines.engine import Completion, RequestFailed
from tasks.settings import PRESETS, Settings
from tasks.synthesis import scheduler
from tasks.synthesis.account import SynthesisProgress
from tasks.synthesis.synthesize_paths import SynthesisReport, synthesize, synthesize_paths
from tasks.verification.verify_paths import Judge
from tests.fakes.ladder_examples import (
    MODEL,
    NOW,
    always_right,
    always_wrong,
    guidelines,
    question,
    right_sometimes,
    settings,
)
from tests.fakes.scripted_engine import (
    Answer,
    Asked,
    ScriptedEngine,
    TextRenderer,
    completion,
    marked_prompts,
)


@pytest.fixture
def store(tmp_path: File) -> Store:
    return open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}")


def run(
    store: Store,
    engine: ScriptedEngine,
    questions: list[Question],
    chosen: Settings,
    *,
    draw: int = 1,
    advice: list[Guideline] | None = None,
    on_progress: Callable[[SynthesisProgress], None] | None = None,
) -> SynthesisReport:
    with Judge() as judge:
        return synthesize_paths(
            Asking(
                store,
                engine,
                TextRenderer(),
                judge,
                model=MODEL,
                prompts=marked_prompts(),
                settings=chosen,
                draw=draw,
            ),
            questions,
            guidelines() if advice is None else advice,
            on_progress=on_progress,
        )


def questions(count: int) -> list[Question]:
    return [question(number) for number in range(1, count + 1)]


def test_every_stage_of_a_chain_is_stored_with_its_parents(store: Store) -> None:
    run(store, ScriptedEngine(always_right), questions(1), settings(chains_per_question=1))

    path = store.select(Path)[0]
    structure = store.get(Structure, path.structure_id or UUID(int=0))
    adapted = store.get(AdaptedGuideline, path.adapted_guideline_id or UUID(int=0))
    assert structure is not None
    assert adapted is not None
    assert structure.adapted_guideline_id == adapted.id
    assert adapted.text.startswith("For this question, adapt text")
    assert structure.text.startswith("1. structure text")
    assert store.select(Verdict)[0].path_id == path.id


def test_sampling_a_question_stops_at_enough_accepted_paths(store: Store) -> None:
    report = run(
        store,
        ScriptedEngine(always_right),
        questions(20),
        settings(chains_per_question=8, enough_accepted=3),
    )

    assert Counter(path.question_id for path in store.select(Path)) == {
        one.id: 3 for one in questions(20)
    }
    assert report.fates == {"accepted": 60, "enough_accepted": 100}


def test_unsolved_questions_are_tried_again_with_the_answer_shown(store: Store) -> None:
    engine = ScriptedEngine(right_sometimes(0.0))
    report = run(
        store,
        engine,
        questions(3),
        settings(chains_per_question=2, hinted_chains=4, enough_accepted=2),
    )

    hinted = store.select(Path, hinted=True)
    assert len(hinted) == 6
    assert report.hinted_accepted == 6
    assert report.solved_questions == 3
    names = {guideline.id: guideline.position for guideline in guidelines()}
    assert all(names[path.guideline_id or UUID(int=0)] <= 22 for path in hinted)
    assert all(
        "|3|" not in asked.prompt
        for asked in engine.asked
        if not asked.prompt_name.endswith("_hinted")
    )


def test_a_hinted_path_that_talks_about_the_answer_is_not_accepted(store: Store) -> None:
    def leak(asked: Asked) -> str:
        text = always_wrong(asked)
        if asked.prompt_name == "path_hinted":
            return f"I count to 1 in {asked.seed} steps. The given answer is that. The answer is 1."
        return text

    report = run(
        store, ScriptedEngine(leak), questions(1), settings(chains_per_question=1, hinted_chains=3)
    )

    assert report.fates["mentions_given_answer"] == 3
    assert report.accepted == 0


def test_a_path_that_states_no_answer_is_closed_and_its_tokens_are_summed(store: Store) -> None:
    def open_ended(asked: Asked) -> str:
        if asked.prompt_name == "close":
            return " 1."
        return "One and one more" if asked.prompt_name == "path" else always_right(asked)

    run(store, ScriptedEngine(open_ended), questions(1), settings(chains_per_question=1))

    path = store.select(Path)[0]
    assert path.closed
    assert path.text == "One and one more\nThe answer is 1."
    assert path.completion_tokens == 5
    assert store.select(Verdict)[0].verdict == "correct"


def test_a_hinted_path_is_closed_without_its_hint(store: Store) -> None:
    def open_ended(asked: Asked) -> str:
        if asked.prompt_name == "close":
            return " 1."
        return (
            "I add up to 1 with care" if asked.prompt_name == "path_hinted" else always_wrong(asked)
        )

    engine = ScriptedEngine(open_ended)
    run(store, engine, questions(1), settings(chains_per_question=1, hinted_chains=1))

    closing = next(asked for asked in engine.asked if asked.prompt_name == "close")
    assert closing.prompt.startswith("\x1eanswer|What is question 1?|\x1eI add up to 1")
    assert [path.closed for path in store.select(Path, hinted=True)] == [True]


def test_a_cut_path_stays_cut_when_it_is_closed_and_is_not_accepted(store: Store) -> None:
    def endless(asked: Asked) -> str | Completion:
        if asked.prompt_name == "close":
            return " 1."
        if asked.prompt_name.startswith("path"):
            return completion("One and 1 more. And then", finish_reason="length")
        return always_right(asked)

    report = run(
        store,
        ScriptedEngine(endless),
        questions(1),
        settings(chains_per_question=2, hinted_chains=1),
    )

    paths = store.select(Path)
    assert {(path.closed, path.cut) for path in paths} == {(True, True)}
    assert report.fates == {"cut": 3}
    assert report.accepted == 0
    assert {verdict.verdict for verdict in store.select(Verdict)} == {"correct"}


def test_a_structure_that_gives_the_result_away_ends_its_chain_also_in_a_rerun(
    store: Store,
) -> None:
    def telling(asked: Asked) -> str:
        return (
            "Add, then 2 + 5 = 7"
            if asked.prompt_name.startswith("structure")
            else always_right(asked)
        )

    asked_for = [question(number, answer="7") for number in (1, 2)]
    first = run(store, ScriptedEngine(telling), asked_for, settings(chains_per_question=2))
    again = ScriptedEngine(telling)
    second = run(store, again, asked_for, settings(chains_per_question=2))

    assert first.fates == second.fates == {"structure_states_answer": 4}
    assert store.select(Path) == again.asked == []


def test_advice_that_was_cut_goes_on_as_its_whole_sentences(store: Store) -> None:
    def cut(asked: Asked) -> str | Completion:
        if asked.prompt_name == "structure":
            return completion(" Read it.\n2. Add.\n3. Now wri", finish_reason="length")
        return always_right(asked)

    run(
        store, ScriptedEngine(cut), questions(1), settings(chains_per_question=1, enough_accepted=1)
    )

    (structure,) = store.select(Structure)
    assert (structure.text, structure.finish_reason) == ("1. Read it.\n2. Add.", "length")


def test_right_paths_of_equal_text_do_not_lower_a_pass_rate(store: Store) -> None:
    def same(asked: Asked) -> str:
        if asked.prompt_name == "path":
            return "I count up to 1 here. The answer is 1."
        return always_right(asked)

    chosen = settings(
        chains_per_question=8, min_pass_rate=0.5, pass_rate_after_chains=4, enough_accepted=2
    )
    report = run(store, ScriptedEngine(same), questions(1), chosen)

    assert "pass_rate_too_low" not in report.fates


def test_a_rerun_asks_nothing_and_gives_the_same_account(store: Store) -> None:
    chosen = settings(chains_per_question=4, hinted_chains=2)
    first = run(store, ScriptedEngine(right_sometimes(0.3, hinted=False)), questions(10), chosen)
    engine = ScriptedEngine(right_sometimes(0.3, hinted=False))

    second = run(store, engine, questions(10), chosen)

    assert engine.asked == []
    assert second.fates == first.fates
    assert second.generated == {}
    assert second.rows == 0


def test_another_path_prompt_reuses_adapted_guidelines_and_structures(store: Store) -> None:
    run(
        store,
        ScriptedEngine(always_wrong),
        questions(4),
        settings(chains_per_question=3, hinted_retry=False),
    )
    hotter = settings(chains_per_question=3, hinted_retry=False, path={"temperature": 1.0})
    engine = ScriptedEngine(always_wrong)

    report = run(store, engine, questions(4), hotter)

    assert {asked.prompt_name for asked in engine.asked} == {"path"}
    assert report.reused == {"adapted_guideline": 12, "structure": 12}
    assert report.generated == {"path": 12}


def test_another_guideline_generates_only_its_own_chains(store: Store) -> None:
    five = settings(chains_per_question=5, adaptive=False)
    run(store, ScriptedEngine(always_right), questions(4), five, advice=guidelines(5))

    report = run(
        store,
        ScriptedEngine(always_right),
        questions(4),
        settings(chains_per_question=6, adaptive=False),
        advice=guidelines(6),
    )

    assert report.generated == {"adapted_guideline": 4, "structure": 4, "path": 4}


def test_two_draws_share_no_id(store: Store) -> None:
    run(store, ScriptedEngine(always_right), questions(5), settings(), draw=1)
    run(store, ScriptedEngine(always_right), questions(5), settings(), draw=2)

    for kind in (AdaptedGuideline, Structure, Path, Verdict):
        rows = store.select(kind)
        assert len({row.id for row in rows}) == len(rows)
        assert {row.draw for row in rows} == {1, 2}


def test_a_slow_chain_holds_up_no_other() -> None:
    """Everything else ends while one chain still waits for its first stage."""

    async def scene(store: Store) -> set[str]:
        slow, seen = asyncio.Event(), asyncio.Event()
        expected = 3 * 2 * 30 - 3

        class HeldEngine(ScriptedEngine):
            async def complete(self, prompt_ids, sampling, seed, *, cached=True):  # type: ignore[no-untyped-def]
                if len(self.asked) == 0:
                    self.asked.append(Asked("", sampling, seed))
                    await slow.wait()
                    return completion("late")
                if len(self.asked) == expected:
                    seen.set()
                return await super().complete(prompt_ids, sampling, seed)

        engine = HeldEngine(always_right)
        with Judge() as judge:
            asking = Asking(
                store,
                engine,
                TextRenderer(),
                judge,
                model=MODEL,
                prompts=marked_prompts(),
                settings=settings(adaptive=False, chains_per_question=2, window_chains=8),
                draw=1,
            )
            task = asyncio.create_task(synthesize(asking, questions(30), guidelines()))
            await asyncio.wait_for(seen.wait(), 30)
            slow.set()
            await task
        return {str(path.question_id) for path in store.select(Path)}

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert len(asyncio.run(scene(open_store(f"duckdb:///{folder}/regenesis.duckdb")))) == 30


def test_the_window_bounds_the_chains_in_flight_and_is_kept_full(store: Store) -> None:
    engine = ScriptedEngine(always_right, delay=lambda asked: 0.001)

    run(store, engine, questions(40), settings(window_chains=16, chains_per_question=5))

    assert engine.most_in_flight == 16


def test_the_account_of_every_candidate_adds_up(store: Store) -> None:
    def script(asked: Asked) -> Answer:
        if asked.prompt_name == "structure" and asked.seed % 5 == 0:
            return RequestFailed("too long", reason="prompt_too_long", attempts=1)
        return right_sometimes(0.2)(asked)

    report = run(store, ScriptedEngine(script), questions(60), settings(enough_accepted=2))

    assert sum(report.fates.values()) == report.candidates
    assert (
        report.fates["failed"]
        == len(store.select(FailedRequest))
        == report.reasons["prompt_too_long"]
    )
    paths = store.select(Path)
    judged = sum(
        report.fates.get(fate, 0) for fate in ("accepted", "duplicate", "wrong", "unjudged")
    )
    assert (
        judged + report.fates.get("mentions_given_answer", 0)
        == len(paths)
        == len(store.select(Verdict))
    )
    rows = [*store.select(AdaptedGuideline), *store.select(Structure), *paths]
    assert report.tokens == sum(row.completion_tokens for row in rows)
    assert report.generated["path"] == len(paths)


@pytest.mark.parametrize("kind", ["number", "text", "expression"])
@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_and_no_kind_of_answer_passes_a_token_budget(
    store: Store, preset: str, kind: AnswerKind
) -> None:
    def to_the_limit(asked: Asked) -> Completion:
        text = "yes" if asked.prompt_name == "self_check" else "some words without an answer"
        return replace(completion(text), completion_tokens=asked.sampling.max_tokens)

    budget = 20_000
    chosen = settings(
        preset,
        token_budget=budget,
        adaptive=False,
        hinted_retry=False,
        refuse_telling_structures=False,
    )
    asked_for = [replace(one, answer_kind=kind) for one in questions(40)]

    report = run(store, ScriptedEngine(to_the_limit), asked_for, chosen)

    assert report.stopped_by == "token_budget"
    assert budget / 2 < report.tokens <= budget


def test_a_token_budget_is_never_passed_and_the_next_run_goes_on(store: Store) -> None:
    chosen = settings(token_budget=2000, chains_per_question=3, adaptive=False, hinted_retry=False)

    report = run(store, ScriptedEngine(always_right), questions(60), chosen)

    assert report.stopped_by == "token_budget"
    assert 1500 < report.tokens <= 2000
    assert sum(report.fates.values()) == report.candidates
    more = run(store, ScriptedEngine(always_right), questions(60), chosen)
    assert more.stopped_by == "token_budget"
    assert more.tokens < 200
    unlimited = chosen.model_copy(
        update={"synthesis": chosen.synthesis.model_copy(update={"token_budget": 0})}
    )
    run(store, ScriptedEngine(always_right), questions(60), unlimited)
    assert len(store.select(Path)) == 180


def test_a_window_that_is_over_ends_the_run_cleanly(store: Store) -> None:
    clock = iter(range(0, 10**9, 40))
    with Judge() as judge:
        report = synthesize_paths(
            Asking(
                store,
                ScriptedEngine(always_right, delay=lambda asked: 0.01),
                TextRenderer(),
                judge,
                model=MODEL,
                prompts=marked_prompts(),
                settings=settings(window_chains=4),
                draw=1,
            ),
            questions(500),
            guidelines(),
            spending=Spending(
                Limits(until=NOW + timedelta(seconds=100)),
                now=lambda: NOW + timedelta(seconds=next(clock)),
            ),
        )

    assert report.stopped_by == "window"
    assert not report.complete
    assert report.fates["stopped"] > 0
    assert sum(report.fates.values()) == report.candidates


def test_a_target_of_accepted_paths_ends_the_set(store: Store) -> None:
    report = run(
        store, ScriptedEngine(right_sometimes(0.5)), questions(200), settings(target_accepted=100)
    )

    assert report.stopped_by == "target_accepted"
    assert report.complete
    assert 100 <= report.accepted <= 110
    assert sum(report.fates.values()) == report.candidates


def test_a_question_outside_the_pass_rate_band_gets_no_more_chains(store: Store) -> None:
    chosen = settings(
        min_pass_rate=0.2, pass_rate_after_chains=3, hinted_retry=False, chains_per_question=8
    )

    report = run(store, ScriptedEngine(always_wrong), questions(4), chosen)

    assert report.fates["pass_rate_too_low"] > 0
    assert sum(report.fates.values()) == report.candidates == 32


def test_official_code_makes_45_chains_and_245_calls_a_question(store: Store) -> None:
    engine = ScriptedEngine(always_right)

    report = run(store, engine, questions(2), settings("official-code"))

    assert len(engine.asked) == 2 * 245
    assert report.generated == {
        "selection": 40,
        "adapted_guideline": 90,
        "structure": 90,
        "path": 90,
        "summary": 90,
        "self_check": 90,
    }
    assert report.texts == 3 * 90
    assert all('"self_check": true' in verdict.details for verdict in store.select(Verdict))


def test_the_shorter_ladders_skip_their_stage(store: Store) -> None:
    for strategy, names in {
        "direct": {"direct"},
        "no_adaptation": {"no_adaptation_structure", "path"},
        "no_structure": {"adapt", "no_structure_path"},
    }.items():
        engine = ScriptedEngine(always_right)
        run(store, engine, questions(2), settings(strategy=strategy))
        assert {asked.prompt_name for asked in engine.asked} == names
    assert {path.strategy for path in store.select(Path)} == {
        "direct",
        "no_adaptation",
        "no_structure",
    }


def test_a_fatal_failure_stores_what_arrived_and_is_raised(store: Store) -> None:
    def script(asked: Asked) -> Answer:
        if asked.question.endswith("question 30?"):
            return RequestFailed("401", reason="unauthorized", attempts=1, fatal=True)
        return always_right(asked)

    with pytest.raises(RequestFailed, match="401"):
        run(store, ScriptedEngine(script), questions(30), settings(window_chains=4))

    assert len(store.select(Path)) > 0
    assert len(store.select(Path)) == len(store.select(Verdict))


def test_an_engine_that_only_fails_ends_the_run_before_every_question_is_spent(
    store: Store,
) -> None:
    engine = ScriptedEngine(
        lambda asked: RequestFailed("gone", reason="endpoint_error", attempts=5)
    )

    with pytest.raises(TransientError, match="run the same command again"):
        run(store, engine, questions(500), settings(window_chains=8))

    assert len(engine.asked) < 100


def test_empty_and_unstorable_texts_neither_stop_nor_spoil_the_run(store: Store) -> None:
    strange = [
        "",
        "   ",
        "a\x00b. The answer is 1.",
        "\ud800 lone. The answer is 1.",
        "long " * 100_000,
    ]

    def script(asked: Asked) -> str:
        return strange[asked.seed % 5] if asked.prompt_name == "path" else always_right(asked)

    report = run(
        store, ScriptedEngine(script), questions(5), settings(adaptive=False, close_paths=False)
    )

    assert sum(report.fates.values()) == report.candidates
    assert report.reasons["empty_text"] == len(store.select(FailedRequest)) > 0
    assert all("\x00" not in path.text for path in store.select(Path))


def test_progress_counts_up_to_the_report(store: Store) -> None:
    seen: list[SynthesisProgress] = []
    report = run(
        store,
        ScriptedEngine(always_right),
        questions(5),
        settings(),
        on_progress=seen.append,
    )

    assert seen[-1].questions_done == seen[-1].questions_total == 5
    assert seen[-1].accepted == report.accepted


def test_what_the_follower_raises_ends_the_run_at_once_and_all_that_arrived_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "TICK_SECONDS", 0.0)
    monkeypatch.setattr(scheduler, "PROGRESS_SECONDS", 0.0)
    seen: list[int] = []

    def no_room(now: SynthesisProgress) -> None:
        seen.append(now.paths)
        if now.paths:
            raise InputError("The disk should have room.")

    with pytest.raises(InputError, match="should have room"):
        run(
            store,
            ScriptedEngine(always_right),
            questions(100),
            settings(adaptive=False, window_chains=8),
            on_progress=no_room,
        )

    assert [paths for paths in seen if paths] == [seen[-1]]
    assert seen[-1] <= len(store.select(Path)) < 100 * settings().synthesis.chains_per_question


def test_questions_are_read_from_their_iterator_only_as_they_are_needed(store: Store) -> None:
    read = 0

    def endless() -> Iterator[Question]:
        nonlocal read
        for number in range(10**9):
            read = number
            yield question(number)

    with Judge() as judge:
        report = synthesize_paths(
            Asking(
                store,
                ScriptedEngine(always_right),
                TextRenderer(),
                judge,
                model=MODEL,
                prompts=marked_prompts(),
                settings=settings(chains_per_question=25, max_candidates=600),
                draw=1,
            ),
            endless(),
            guidelines(),
        )

    assert report.stopped_by == "max_candidates"
    assert report.paths == 600
    assert read < 1000


RESTATED: dict[AnswerKind, tuple[str, str]] = {
    "boolean": ("yes", "no"),
    "choice": ("B", "A"),
    "text": ("blue whale", "shark"),
}


@pytest.mark.parametrize("hinted", [False, True])
@pytest.mark.parametrize("kind", RESTATED)
def test_a_choice_a_yes_or_a_text_counts_only_where_the_work_alone_leads_there_again(
    store: Store, kind: AnswerKind, hinted: bool
) -> None:
    right, wrong = RESTATED[kind]
    asked_for = [
        replace(
            one,
            answer=right,
            answer_kind=kind,
            choices=["red", "green"] if kind == "choice" else [],
        )
        for one in questions(24)
    ]

    def script(asked: Asked) -> str:
        if asked.prompt_name == "close":
            return f" {right if 'leads there' in asked.prompt else wrong}"
        if asked.prompt_name not in ("path", "path_hinted"):
            return f" {asked.prompt_name} text {asked.seed}"
        work = "This leads there" if asked.seed % 2 else "This leads away"
        return f"{work} for reason {asked.seed} and for others besides. The answer is {right}."

    engine = ScriptedEngine(script)
    chosen = settings(restate=True, hinted_only=hinted, chains_per_question=4, adaptive=False)

    report = run(store, engine, asked_for, chosen)

    texts = {path.id: path.text for path in store.select(Path)}
    restated = {one.path_id: '"restated": true' in one.details for one in store.select(Verdict)}
    assert restated == {identity: "leads there" in text for identity, text in texts.items()}
    assert report.fates["answer_not_reached"] == sum(not one for one in restated.values()) > 0
    assert report.fates["accepted"] == sum(restated.values()) > 0
    again = [one for one in engine.asked if one.prompt_name == "close"]
    assert len(again) == len(texts) == report.generated["restate"]
    assert all(one.prompt.split("|")[0].endswith("answer") for one in again)


def test_a_number_a_wrong_answer_and_a_run_that_does_not_ask_restate_nothing(store: Store) -> None:
    report = run(store, ScriptedEngine(right_sometimes(0.5)), questions(8), settings(restate=True))
    assert "restate" not in report.generated
    texts = [replace(one, answer="blue whale", answer_kind="text") for one in questions(8)]
    for draw, chosen in ((2, settings(restate=True)), (3, settings(restate=False))):
        report = run(store, ScriptedEngine(always_wrong), texts, chosen, draw=draw)
        assert "restate" not in report.generated
