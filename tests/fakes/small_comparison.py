"""A comparison without Prefect, vLLM or training.

Questions made by hand, paths by a script, adapters as bare rows.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path as Folder
from typing import Any

from storage.ids import content_id
from storage.open_store import Store, open_store
from storage.records import Adapter, Answer, Part, Pool, Question, QuestionSet, Trial
from tasks.asking import Asking
from tasks.comparison.contest import Contest, Try, begin_comparison
from tasks.comparison.lessons import (
    Lesson,
    first_lessons,
    iterations_of,
    last_lessons,
    middle_lesson,
    trained_tries,
)
from tasks.comparison.pool import PoolPlan, pool_paths, write_pool_row
from tasks.comparison.training_sets import keep_examples, pool_plan, trial_of, untrained_trial
from tasks.engines.models.base_models import PreparedModel
from tasks.evaluation.evaluate_model import evaluate_model
from tasks.guidelines import builtin_guidelines
from tasks.ingestion.ingest_questions import as_question
from tasks.ingestion.question_files import SourceRow
from tasks.settings import Settings, load_settings
from tasks.synthesis.synthesize_paths import synthesize_paths
from tasks.training.train_adapter import Training, model_of
from tasks.verification.verify_paths import Judge
from tasks.verification.vote_paths import vote_paths
from tests.fakes.scripted_engine import Asked, ScriptedEngine, TextRenderer, marked_prompts
from tests.fakes.scripted_machinery import BASE
from tests.storage.examples import NOW, make

SETS = {"sums": "in_domain", "products": "in_domain", "riddles": "out_of_domain"}
COUNTS: dict[Part, int] = {"train": 6, "gate": 6, "final": 8}
SMALL: dict[str, Any] = {
    "name": "study",
    "questions": {
        "in_domain": ["sums", "products"],
        "out_of_domain": ["riddles"],
        "train_per_set": 6,
        "gate_per_set": 6,
        "final_per_set": 8,
    },
    "synthesis": {"chains_per_question": 4, "hinted_chains": 2, "commit_seconds": 0.05},
    "selection": {"max_hinted_share": 0.5},
    "verification": {"majority_min_paths": 3},
    "training": {"min_examples": 1},
    "comparison": {"methods": ["base", "rft", "regenesis"], "seeds": 1},
}


def small_settings(**comparison: Any) -> Settings:
    """The settings above with other methods, seeds, match, ..."""
    return load_settings(overrides=SMALL | {"comparison": SMALL["comparison"] | comparison})


def question_rows(hard: int = 2, extra: str = "{}") -> list[QuestionSet | Question]:
    """Three sets; of each set's train questions the first `hard` are solved by no path that is
    shown no answer.
    """
    rows: list[QuestionSet | Question] = []
    for name, domain in SETS.items():
        source = f"{name}.jsonl"
        identity = content_id("question_sets", name, source, "", domain)
        own = make(
            QuestionSet,
            name=name,
            domain=domain,
            source=source,
            digest="",
            id=identity,
            mapping="{}",
        )
        rows.append(own)
        for part, count in COUNTS.items():
            for number in range(count):
                word = "hard" if part == "train" and number < hard else "easy"
                text = f"{word} {part} {name} {number}"
                row = SourceRow(str(number), text, (), str(number), "number", "", extra)
                rows.append(as_question(own, row, part, NOW))
    return rows


def script(asked: Asked) -> str:
    """Right with two of three seeds where the question is easy or the answer is shown.

    Other words each time.
    """
    words = asked.question.split()
    right = asked.prompt_name.endswith("_hinted") or (words[:1] == ["easy"] and asked.seed % 3 > 0)
    stated = words[3] if right and len(words) > 3 else 77
    return f"way {asked.seed} to {stated} of {asked.question}. The answer is {stated}."


class SmallComparison:
    """A comparison in a store of its own; `engine` keeps what was asked."""

    def __init__(
        self, folder: Folder, settings: Settings, rows: Sequence[QuestionSet | Question] = ()
    ) -> None:
        self.store: Store = open_store(f"duckdb:///{folder / 'store.duckdb'}")
        self.store.append(
            [*(rows or question_rows()), *builtin_guidelines(), *marked_prompts().values()]
        )
        record = begin_comparison(self.store, settings, BASE)
        self.contest = Contest(
            self.store, record, settings, BASE, marked_prompts(), builtin_guidelines()
        )
        self.engine = ScriptedEngine(script)
        self._judge = Judge(settings.verification)

    def close(self) -> None:
        self._judge.__exit__(None, None, None)

    def write_pools(self, seed: int, iteration: int = 1) -> None:
        """The pools of the first iteration, or of a later one."""
        first = [Try(one, self.contest.fixed_rate) for one in self.contest.contenders]
        for one in first if iteration == 1 else self.contest.tries(seed):
            if (
                one.contender.method.teaches == "paths"
                and iterations_of(self.contest, one) >= iteration
            ):
                plan = pool_plan(self.contest, one, seed, iteration)
                if self.store.get(Pool, plan.id) is None:
                    self._write(plan)

    def _write(self, plan: PoolPlan) -> None:
        synthesize_paths(
            Asking(
                self.store,
                self.engine,
                TextRenderer(),
                self._judge,
                model=plan.model,
                prompts=plan.prompts,
                settings=plan.settings,
                draw=plan.draw,
            ),
            plan.questions,
            plan.guidelines,
        )
        paths = pool_paths(self.store, plan)
        vote_paths(self.store, self._judge, plan.settings.verification, draw=plan.draw, paths=paths)
        write_pool_row(self.store, plan)

    def train(self, seed: int) -> dict[str, Lesson]:
        """Every trial of the seed.

        The last lesson of each method by name, at the last rate that was tried.
        """
        contest, tries = self.contest, trained_tries(self.contest, seed)
        for one in contest.tries(seed):
            if not one.contender.method.trains:
                untrained_trial(contest, one, seed)
        self.write_pools(seed)
        first = first_lessons(contest, seed)
        for iteration in range(1, max((iterations_of(contest, one) for one in tries), default=1)):
            for one in tries:
                if iterations_of(contest, one) > iteration:
                    self._teach(middle_lesson(contest, one, seed, iteration, first))
            self.write_pools(seed, iteration + 1)
        lessons = last_lessons(contest, tries, seed, first)
        for lesson in lessons:
            self._teach(lesson)
        return {lesson.entrant.contender.name: lesson for lesson in lessons}

    def answer(self, questions: Sequence[Question], trials: Iterable[Trial]) -> None:
        """The models answer by the script, each with its own seeds."""
        for trial in trials:
            evaluate_model(
                Asking(
                    self.store,
                    self.engine,
                    TextRenderer(),
                    self._judge,
                    model=self.contest.model(trial.model_id),
                    prompts={"answer": self.contest.prompt(trial.prompt_id)},
                    settings=self.contest.settings,
                    draw=0,
                ),
                questions,
                "control",
            )

    def _teach(self, lesson: Lesson) -> None:
        training_set = keep_examples(self.contest, lesson.entrant, lesson.choices)
        what = self.contest.settings.training.model_copy(
            update={"learning_rate": lesson.entrant.one.learning_rate}
        )
        training = Training(
            training_set,
            PreparedModel(Folder(), BASE, "none"),
            self.contest.settings.model_copy(update={"training": what}),
        )
        digest = content_id("weights", training.id).hex
        adapter = make(
            Adapter,
            id=training.id,
            training_set_id=training_set.id,
            base_model_id=BASE.id,
            parent_adapter_id=None,
            digest=digest,
            location=f"adapters/{digest[:32]}",
            settings=what.model_dump_json(),
        )
        model = model_of(BASE, adapter)
        trial = trial_of(self.contest, lesson.entrant, lesson.choices, training_set, adapter, model)
        self.store.append([adapter, model, trial])


def answers_in(store: Store) -> int:
    """How many answers are stored."""
    return len(store.select(Answer))
