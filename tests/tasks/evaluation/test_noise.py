"""The A/A run: asked again in the other order without cached prefixes; the first answers stand."""

from pathlib import Path

from storage.open_store import Store
from storage.records import Answer, Evaluation, Question
from tasks.asking import Asking
from tasks.evaluation.noise import Noise, ask_again, next_sample, noise_sample
from tasks.settings import Settings
from tasks.verification.verify_paths import Judge
from tests.fakes.scripted_engine import ScriptedEngine, TextRenderer
from tests.fakes.small_store import BASE, clock, round_of, small_store
from tests.tasks.evaluation.test_evaluate_model import PROMPTS, evaluated, right_below


def asked_again(
    store: Store, limit: int, questions: list[Question], sample: int = 1
) -> tuple[Noise, ScriptedEngine]:
    engine = ScriptedEngine(right_below(limit))
    with Judge() as judge:
        noise = ask_again(
            Asking(
                store,
                engine,
                TextRenderer(),
                judge,
                model=BASE,
                prompts=PROMPTS,
                settings=Settings(),
                round=round_of(1),
                now=clock(),
            ),
            questions,
            sample=sample,
        )
    return noise, engine


def test_it_counts_changed_texts_and_verdicts_of_the_same_questions(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20, final=0)
    evaluated(store, right_below(10), questions)
    noise, _ = asked_again(store, 12, questions)
    assert (noise.questions, noise.changed_texts, noise.changed_verdicts) == (40, 4, 4)
    assert noise.tokens > 0


def test_it_asks_in_the_other_order_and_without_the_cache(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20, final=0)
    evaluated(store, right_below(10), questions)
    _, engine = asked_again(store, 10, questions)
    assert "number 19" in engine.asked[0].prompt
    assert not any(asked.cached for asked in engine.asked)


def test_asked_a_second_time_it_generates_nothing(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20, final=0)
    evaluated(store, right_below(10), questions)
    first, _ = asked_again(store, 12, questions)
    second, engine = asked_again(store, 0, questions)
    assert (second, engine.asked) == (first, [])


def test_the_first_answers_stand_whatever_was_asked_again(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=20, final=0)
    before, _ = evaluated(store, right_below(10), questions)
    asked_again(store, 0, questions)
    after, engine = evaluated(store, right_below(0), questions)
    assert (after, engine.asked) == (before, [])
    assert store.select(Evaluation, order_by="id") == sorted(before, key=lambda row: row.id)


def test_each_further_asking_has_a_number_of_its_own(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path, gate=4, final=0)
    evaluated(store, right_below(2), questions)
    for expected in (1, 2):
        assert next_sample(store, BASE, questions) == expected
        asked_again(store, 2, questions, expected)
    assert {answer.sample for answer in store.select(Answer)} == {0, 1, 2}


def test_the_sample_is_of_gate_questions_and_the_same_each_time(tmp_path: Path) -> None:
    _, questions = small_store(tmp_path, gate=20, final=9)
    sample = noise_sample(questions, 12)
    assert sample == noise_sample(questions[::-1], 12)
    assert {one.part for one in sample} == {"gate"}
    assert len({one.question_set_id for one in sample}) == 2
