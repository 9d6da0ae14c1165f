"""Evaluation on a real store with a scripted engine."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import PermanentError, TransientError
from storage.open_store import Store
from storage.records import Adapter, Answer, Evaluation, FailedRequest, Model, Question
from tasks.asking import Asking, tell_nobody
from tasks.engines.engine import RequestFailed
from tasks.evaluation.evaluate_model import evaluate_model, probe_adapter
from tasks.settings import EvaluationSettings, Settings
from tasks.verification.verify_paths import Judge
from tests.fakes.scripted_engine import Answer as Scripted
from tests.fakes.scripted_engine import Asked, ScriptedEngine, TextRenderer, marked_prompts
from tests.fakes.small_store import BASE, CHALLENGER, clock, round_of, small_store
from tests.storage.examples import make

PROMPTS = marked_prompts()


def right_below(limit: int, words: str = "The answer is") -> Callable[[Asked], str]:
    """Right for the questions whose number is below `limit`."""

    def answer(asked: Asked) -> str:
        found = re.search(r"number (\d+)", asked.prompt)
        place = int(found[1]) if found else 0
        return f"{words} {place if place < limit else place + 1000}."

    return answer


def evaluated(
    store: Store,
    script: Callable[[Asked], Scripted],
    questions: list[Question],
    *,
    model: Model = BASE,
    number: int = 1,
    settings: Settings | None = None,
    role: str = "base",
    on_answer: Callable[[int, int, float], None] = tell_nobody,
) -> tuple[list[Evaluation], ScriptedEngine]:
    engine = ScriptedEngine(script)
    with Judge() as judge:
        rows = evaluate_model(
            Asking(
                store,
                engine,
                TextRenderer(),
                judge,
                model=model,
                prompts=PROMPTS,
                settings=settings or Settings(),
                round=round_of(number),
                draw=number,
                now=clock(),
                on_answer=on_answer,
            ),
            questions,
            role,
        )
    return rows, engine


def test_each_answer_is_told_with_those_that_were_there(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20, final=5)
    told: list[tuple[int, int, float]] = []

    def tell(done: int, total: int, seconds_left: float) -> None:
        told.append((done, total, seconds_left))

    evaluated(store, right_below(10), questions[:10])
    evaluated(store, right_below(10), questions, on_answer=tell)
    assert [(done, total) for done, total, _ in told] == [(n, 50) for n in range(11, 51)]
    assert all(left >= 0 for *_, left in told)
    assert told[-1][2] == 0


def test_each_set_and_part_has_a_row_of_its_own(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20, final=5)
    rows, _ = evaluated(store, right_below(10), questions)
    assert {(row.domain, row.part, row.questions, row.strict_correct) for row in rows} == {
        ("in_domain", "gate", 20, 10),
        ("in_domain", "final", 5, 5),
        ("out_of_domain", "gate", 20, 10),
        ("out_of_domain", "final", 5, 5),
    }
    assert all(
        row.strict_low < row.strict_correct / row.questions <= row.strict_high for row in rows
    )


def test_a_second_evaluation_of_the_same_model_asks_nothing(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20)
    first, _ = evaluated(store, right_below(10), questions)
    second, engine = evaluated(store, right_below(0), questions)
    assert engine.asked == []
    assert second == first


def test_fixed_questions_are_answered_once_for_all_rounds(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20)
    evaluated(store, right_below(10), questions)
    rows, engine = evaluated(
        store, right_below(0), [one for one in questions if one.draw == 0], number=2
    )
    assert engine.asked == []
    assert {row.round_id for row in rows} == {round_of(2).id}


def test_an_interrupted_evaluation_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20)
    seen: list[str] = []

    def dies_late(asked: Asked) -> Scripted:
        seen.append(asked.prompt)
        return (
            RequestFailed("the server is gone", reason="gone", attempts=1, fatal=True)
            if len(seen) > 30
            else "1"
        )

    with pytest.raises(RequestFailed, match="the server is gone"):
        evaluated(store, dies_late, questions)
    kept = len(store.select(Answer))
    _, engine = evaluated(store, right_below(99), questions)
    assert kept == 30
    assert len(engine.asked) == len(questions) - kept


def test_a_question_without_an_answer_is_a_failed_request_and_is_not_counted(
    tmp_path: Path,
) -> None:
    store, questions = small_store(tmp_path, gate=40, final=0)

    def refuses_one(asked: Asked) -> Scripted:
        if "sums</b> gate 1 of number 3?" in asked.prompt:
            return RequestFailed("too long", reason="prompt_too_long", attempts=1)
        return right_below(99)(asked)

    rows, _ = evaluated(store, refuses_one, questions)
    assert sorted(row.questions for row in rows) == [39, 40]
    assert [failed.stage for failed in store.select(FailedRequest)] == ["answer"]


@pytest.mark.parametrize(
    ("reason", "kind"), [("prompt_too_long", PermanentError), ("timed_out", TransientError)]
)
def test_an_evaluation_with_many_answers_missing_is_an_error_that_says_whether_it_may_pass(
    tmp_path: Path, reason: str, kind: type[Exception]
) -> None:
    store, questions = small_store(tmp_path, gate=20)

    def refuses_most(asked: Asked) -> Scripted:
        return (
            right_below(99)(asked)
            if "gate 1 " in asked.prompt
            else RequestFailed("no", reason=reason, attempts=1)
        )

    with pytest.raises(kind, match="needs an answer to at least 95%"):
        evaluated(store, refuses_most, questions)


@pytest.mark.parametrize(
    ("reason", "kind"), [("refused", PermanentError), ("endpoint_error", TransientError)]
)
def test_an_evaluation_whose_requests_all_fail_ends_with_the_servers_words(
    tmp_path: Path, reason: str, kind: type[Exception]
) -> None:
    store, questions = small_store(tmp_path, gate=4)

    with pytest.raises(kind, match=r"all failed.*CUDA error"):
        evaluated(
            store, lambda _: RequestFailed("CUDA error", reason=reason, attempts=1), questions
        )


def test_strict_and_lenient_readings_are_counted_apart(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20, final=0)
    rows, _ = evaluated(store, right_below(99, words="that makes"), questions)
    assert all(row.strict_correct < row.lenient_correct == 20 for row in rows)
    assert all(row.unjudged == 20 for row in rows)


def test_an_adapter_that_changes_nothing_is_refused_before_its_answers_are_kept(
    tmp_path: Path,
) -> None:
    store, questions = small_store(tmp_path)
    evaluated(store, right_below(10), questions)
    with pytest.raises(PermanentError, match="all 16 probes gave the base's very texts"):
        evaluated(store, right_below(10), questions, model=CHALLENGER)
    assert store.select(Answer, model_id=CHALLENGER.id) == []


def test_an_adapter_that_changes_answers_is_evaluated_and_its_probes_are_kept(
    tmp_path: Path,
) -> None:
    store, questions = small_store(tmp_path)
    evaluated(store, right_below(10), questions)
    _, engine = evaluated(
        store, right_below(10, words="So the answer is"), questions, model=CHALLENGER
    )
    assert len(engine.asked) == len(questions) == len(store.select(Answer, model_id=CHALLENGER.id))


@pytest.mark.parametrize("failing", [1, 15, 16])
def test_probes_whose_requests_fail_do_not_end_the_round(tmp_path: Path, failing: int) -> None:
    store, questions = small_store(tmp_path, gate=200, final=0)
    evaluated(store, right_below(10), questions)
    seen: list[str] = []

    def fails_at_first(asked: Asked) -> Scripted:
        seen.append(asked.prompt)
        if len(seen) <= failing:
            return RequestFailed("too slow", reason="timed_out", attempts=1)
        return right_below(10, words="So the answer is")(asked)

    evaluated(store, fails_at_first, questions, model=CHALLENGER)

    assert len(store.select(Answer, model_id=CHALLENGER.id)) == len(questions)
    assert store.select(FailedRequest) == []


def test_full_weights_that_leave_the_first_answers_as_they_were_are_evaluated_all_the_same(
    tmp_path: Path,
) -> None:
    store, questions = small_store(tmp_path, gate=20)
    store.append([make(Adapter, id=CHALLENGER.adapter_id, kind="full")])
    evaluated(store, right_below(10), questions)
    rows, _ = evaluated(store, right_below(10), questions, model=CHALLENGER, role="challenger")
    assert sum(row.questions for row in rows) == len(questions)


def test_two_engines_are_probed_without_storing_anything(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path)
    one, other = ScriptedEngine(right_below(10)), ScriptedEngine(right_below(12))
    changed = probe_adapter(
        one, other, TextRenderer(), questions, prompts=PROMPTS, settings=Settings()
    )
    assert changed == 2
    assert store.select(Answer) == []


def test_k_sampled_answers_stand_beside_the_greedy_one(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=5, final=0)
    settings = Settings(evaluation=EvaluationSettings(samples=3))
    rows, engine = evaluated(store, right_below(99), questions, settings=settings)
    assert len(engine.asked) == 4 * len(questions)
    assert all(row.questions == 5 for row in rows)
