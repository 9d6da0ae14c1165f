"""The books of a comparison: its row, seeds and questions, and the trials that are wanted or done.

A comparison with the same settings goes on with what the store has of it; other settings make
another one, which shares the pools.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID

from storage.errors import InputError
from storage.ids import content_id
from storage.records import (
    Comparison,
    ComparisonFigure,
    Domain,
    Guideline,
    Model,
    Prompt,
    Question,
    QuestionSet,
    Trial,
)
from tasks.comparison.methods import builtin_methods, contenders_of
from tasks.comparison.pool import draw_of
from tasks.ingestion.ingest_questions import questions_of, set_named
from tasks.rules.comparison.methods import Contender, contenders
from tasks.rules.questions.parts import round_seed, sample_questions
from tasks.settings import Settings

if TYPE_CHECKING:
    from storage.open_store import Store

R = TypeVar("R", Model, Prompt)
HOW = (
    "room",
    "model.precision",
    "model.sequences",
    "model.cache_gib",
    "evaluation.adapter",
    "synthesis.window_chains",
    "synthesis.commit_seconds",
    "synthesis.request_timeout_seconds",
    "synthesis.request_seconds_per_token",
    "comparison.rate",
    "comparison.training_rate",
    "comparison.tokens_a_text",
)
"""Settings that change how a comparison runs, not what it finds (apart from rounding): they change
no id.
"""
HOW_AT_FIRST = tuple(
    one
    for one in HOW
    if one
    not in (
        "model.sequences",
        "model.cache_gib",
        "synthesis.request_timeout_seconds",
        "synthesis.request_seconds_per_token",
    )
)
"""Those of which this was so when the first comparisons were begun: their ids stay."""


class Try(NamedTuple):
    """A contender at a learning rate; 0 where nothing is trained."""

    contender: Contender
    learning_rate: float


class Contest:
    """A comparison with all that its steps read.

    Not a dataclass on purpose: Prefect would walk into it.
    """

    def __init__(
        self,
        store: "Store",
        record: Comparison,
        settings: Settings,
        base: Model,
        prompts: Mapping[str, Prompt],
        guidelines: Sequence[Guideline],
    ) -> None:
        self.store = store
        self.record = record
        self.settings = settings
        self.base = base
        self.prompts = prompts
        self.guidelines = guidelines
        self.train: dict[int, list[Question]] = {}
        self._sets: dict[str, list[QuestionSet]] = {}
        self._known: dict[UUID, Model | Prompt] = {}  # their rows never change

    @cached_property
    def contenders(self) -> list[Contender]:
        """What enters, in the order in which it was named."""
        return contenders_of(self.settings, len(self.guidelines))

    @property
    def seeds(self) -> range:
        """Its seeds."""
        return range(self.settings.seed, self.settings.seed + self.settings.comparison.seeds)

    @property
    def fixed_rate(self) -> float:
        """The learning rate that the fixed-rate table gives to all methods."""
        return self.settings.training.learning_rate

    def seeded(self, seed: int) -> Settings:
        """The settings of one seed."""
        return self.settings.model_copy(update={"seed": seed})

    def train_questions(self, seed: int) -> list[Question]:
        """The questions that paths are written for."""
        if seed not in self.train:
            self.train[seed] = questions_of(self.store, self.seeded(seed), "train", draw_of(seed))
        return self.train[seed]

    @cached_property
    def dev_questions(self) -> list[Question]:
        """The in-domain gate questions of the first seed, which choose learning rates alone."""
        first = self.seeds[0]
        inside = {one.id for one in self.sets("in_domain")}
        asked = questions_of(self.store, self.seeded(first), "gate", draw_of(first))
        return [one for one in asked if one.question_set_id in inside]

    @cached_property
    def final_questions(self) -> list[Question]:
        """What the table reads, and no decision.

        Development reads gate questions in domain alone, so out of domain those of fixed sets fill
        up what the final half of a small test split lacks (AQuA-RAT: 127 of 254).
        """
        final = questions_of(self.store, self.settings, "final", 0)
        return final + [
            one for each in self.sets("out_of_domain") for one in self._filling_up(each, final)
        ]

    def _filling_up(self, own: QuestionSet, final: Sequence[Question]) -> list[Question]:
        missing = self.settings.questions.final_per_set - sum(
            one.question_set_id == own.id for one in final
        )
        if missing <= 0 or own.source.startswith("procedural:"):
            return []
        gate = self.store.select(Question, question_set_id=own.id, part="gate", draw=0)
        return sample_questions(gate, missing, round_seed(self.settings.seed, "gate", 0, own.id))

    def sets(self, domain: Domain) -> list[QuestionSet]:
        """The sets of this domain, in the settings' order."""
        sizes = self.settings.questions
        names = sizes.in_domain if domain == "in_domain" else sizes.out_of_domain
        if domain not in self._sets:
            self._sets[domain] = [set_named(self.store, name, domain) for name in names]
        return self._sets[domain]

    @property
    def chosen_rates(self) -> dict[str, float]:
        """Learning rate by method, once development questions have chosen."""
        found = self.store.select(
            ComparisonFigure, comparison_id=self.record.id, name="chosen_rate"
        )
        return {row.method: row.value for row in found}

    def rates_of(self, contender: Contender, seed: int) -> tuple[float, ...]:
        """The rates of a method: the grid with the first seed, then the chosen one."""
        if not contender.method.trains:
            return (0.0,)
        if seed == self.seeds[0]:
            return self.settings.comparison.learning_rates
        return tuple(dict.fromkeys((self.chosen_rates[contender.name], self.fixed_rate)))

    def tries(self, seed: int) -> list[Try]:
        """Everything that is tried with a seed."""
        return [Try(one, rate) for one in self.contenders for rate in self.rates_of(one, seed)]

    def trial_id(self, one: Try, seed: int, iteration: int) -> UUID:
        """The id that the trial has or will have."""
        return content_id(
            "trials", self.record.id, one.contender.name, seed, one.learning_rate, iteration
        )

    def trial(self, one: Try, seed: int, iteration: int) -> Trial | None:
        """The trial, once it is done."""
        return self.store.get(Trial, self.trial_id(one, seed, iteration))

    def before(self, trial: Trial) -> Trial | None:
        """The iteration before a trial's."""
        contender = next(one for one in self.contenders if one.name == trial.method)
        return self.trial(Try(contender, trial.learning_rate), trial.seed, trial.iteration - 1)

    def model(self, identity: UUID) -> Model:
        """A model that a trial names."""
        return self._named(Model, identity)

    def prompt(self, identity: UUID) -> Prompt:
        """A prompt that a trial names."""
        return self._named(Prompt, identity)

    def _named(self, kind: type[R], identity: UUID) -> R:
        found = self._known.get(identity) or self.store.get(kind, identity)
        if not isinstance(found, kind):
            raise InputError(
                f"{kind.table} lacks {identity}, though a trial names it. Run: regenesis storage"
                " check"
            )
        self._known[identity] = found
        return found

    @property
    def trials(self) -> list[Trial]:
        """Every trial that is done."""
        return self.store.select(
            Trial, comparison_id=self.record.id, order_by="seed, method, learning_rate, iteration"
        )


def comparison_row(settings: Settings, base: Model) -> Comparison:
    """The row of the comparison that these settings make."""
    return Comparison(
        id=comparison_id(base.id, settings.model_dump_json()),
        name=settings.name,
        base_model_id=base.id,
        settings=settings.model_dump_json(),
        status="running",
        timings="{}",
        started_at=datetime.now(UTC),
        finished_at=None,
    )


def comparison_id(base_id: UUID, settings: str, how: Collection[str] = HOW) -> UUID:
    """Hash of the base model and the settings (JSON), without those that change how it runs."""
    described = json.loads(settings)
    for section, key in _places(described, how):
        section.pop(key, None)
    return content_id("comparisons", base_id, described)


def run_as_here(found: Settings, here: Settings) -> Settings:
    """A comparison's own settings, but for HOW it runs: that is each machine's, not a state's."""
    described, own = found.model_dump(), here.model_dump()
    places = zip(_places(described, HOW), _places(own, HOW), strict=True)
    for (section, key), (of_this_machine, _) in places:
        section[key] = of_this_machine[key]
    return Settings.model_validate(described)


def _places(
    described: dict[str, Any], how: Collection[str]
) -> Iterator[tuple[dict[str, Any], str]]:
    """For each name such as `room` or `model.precision` what holds it, and its key there."""
    for name in how:
        section, _, key = name.rpartition(".")
        yield (described.get(section, {}) if section else described), key


def begin_comparison(store: "Store", settings: Settings, base: Model) -> Comparison:
    """The comparison of these settings, begun now if it is not there."""
    check_comparison(settings)
    row = comparison_row(settings, base)
    store.append([base, row])
    return store.select(Comparison, id=row.id)[0]


def check_comparison(settings: Settings) -> None:
    """Raises InputError for settings that no comparison can have."""
    contenders(builtin_methods(), settings.comparison.methods, settings.questions.in_domain, 1)
    grid = settings.comparison.learning_rates
    fixed = settings.training.learning_rate
    if fixed not in grid or len(set(grid)) < len(grid) or min(grid) <= 0:
        raise InputError(
            "comparison.learning_rates are different rates above 0, the fixed one"
            f" (training.learning_rate, {fixed:g}) among them; found {list(grid)!r}."
        )
    _check_scopes(settings)
    if settings.questions.final_per_set < 1:
        raise InputError(
            "A comparison's table is read from final questions; questions.final_per_set is 0."
            " Raise it."
        )


def _check_scopes(settings: Settings) -> None:
    """Groups, chance levels and the primary test name sets and methods of this comparison."""
    comparison = settings.comparison
    sets = {*settings.questions.in_domain, *settings.questions.out_of_domain}
    for group, names in comparison.groups.items():
        unknown = [name for name in names if name not in sets]
        if unknown or not names or group in (*sets, "in_domain", "out_of_domain"):
            raise InputError(
                f"comparison.groups gives a name of its own to sets among {sorted(sets)};"
                f" found {group} = {list(names)!r}."
            )
    for name, level in comparison.chance.items():
        if name not in sets or not 0 <= level < 1:
            raise InputError(
                f"comparison.chance gives sets among {sorted(sets)} a share from 0 to below 1;"
                f" found {name} = {level!r}."
            )
    if comparison.primary and not {comparison.primary, "regenesis"} <= {*comparison.methods}:
        raise InputError(
            "comparison.primary is a method of comparison.methods that regenesis, also one of"
            f" them, is held against; found {comparison.primary!r}."
        )


def finish_comparison(store: "Store", record: Comparison, timings: str) -> Comparison:
    """Mark the comparison as finished, once its table is written."""
    finished = record.finished_at or datetime.now(UTC)
    changed = replace(record, status="finished", timings=timings, finished_at=finished)
    store.update(changed)
    return changed
