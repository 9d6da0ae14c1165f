"""The step from a training set to an adapter: render, train, store by content, log, register.

The adapter's id is the hash of base, parent, training set and settings; one that is in the store is
not trained again. Weights lie under their digest, whole or not at all.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from storage.environment import Environment
from storage.errors import InputError
from storage.ids import canonical, content_id, seed_of
from storage.records import (
    Adapter,
    Model,
    Question,
    QuestionSet,
    Round,
    TrainingExample,
    TrainingSet,
)
from tasks.engines.models.model_files import folder_digest, weight_bytes
from tasks.engines.trainer.trainer import FineTune, Tokens, TrainedWeights, TrainingProgress
from tasks.rules.ladder.prompts import Turns
from tasks.rules.training.batching import takes_of
from tasks.settings import ModelSettings, Settings, TrainingSettings
from tasks.training.register_models import Registry

if TYPE_CHECKING:
    from storage.mlflow_tracking import Tracking
    from storage.open_store import Store
    from tasks.engines.engine import RendersExamples
    from tasks.engines.models.base_models import PreparedModel

# How it is computed, not what: these change no id.
HOW = {
    "device_batch_size",
    "precision",
    "accelerate_config",
    "checkpoint_steps",
    "gradient_checkpointing",
    "min_examples",
}


class Trains(Protocol):
    """What a fine-tune needs of the machine; `flows.steps.machinery.Machinery` is one."""

    def renderer(self, base: "PreparedModel", settings: ModelSettings) -> "RendersExamples":
        """The one function from turns to token ids."""
        ...

    def train_weights(
        self,
        examples: Sequence[Tokens],
        wanted: FineTune,
        on_progress: Callable[[TrainingProgress], None] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> TrainedWeights:
        """Token ids in, a folder of weights out."""
        ...


@dataclass(frozen=True)
class Training:
    """All that an adapter's id is made of, and the round that the adapter is for."""

    training_set: TrainingSet
    base: "PreparedModel"
    settings: Settings
    round: Round | None = None
    """The round whose challenger it will be; None where a comparison trains."""
    parent: Adapter | None = None
    """The adapter to go on from; None: as the settings say."""

    @property
    def id(self) -> UUID:
        """Hash of base model, parent, training set and training settings."""
        training = self.settings.training.model_dump(mode="json")
        # how the work is cut for a device changes no result, so it does not change the id
        what = {name: value for name, value in training.items() if name not in HOW}
        parent = self.parent.id if self.parent else None
        return content_id("adapters", self.base.record.id, parent, self.training_set.id, what)


def train_adapter(
    store: "Store",
    tracking: "Tracking",
    environment: Environment,
    machine: Trains,
    training: Training,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Adapter:
    """The adapter of this training, stored and logged; a round's is registered as challenger.

    `on_progress` is called after each step; `say` gets lines for people (precision, out of memory).
    Raises InputError on too few or too long examples.
    """
    training = replace(
        training, parent=training.parent or parent_of(store, training.round, training.settings)
    )
    adapter = store.get(Adapter, training.id)
    examples = store.select(
        TrainingExample, training_set_id=training.training_set.id, order_by="position"
    )
    # a row without its folder: the store was brought from another machine, so training is done
    # again
    if adapter is None or not (environment.home / adapter.location).is_dir():
        tokens = _mixed(
            store, examples, training, machine.renderer(training.base, training.settings.model)
        )
        wanted = _fine_tune(training, environment, machine)
        # In this order: weights in their place, then the row, then the work folder goes, then
        # MLflow. A kill between two of them leaves work that the next run finds and does not
        # repeat.
        trained = machine.train_weights(tokens, wanted, on_progress, say)
        adapter = _store_weights(trained, environment, training)
        _store_record(store, training.base.record, adapter)
        shutil.rmtree(wanted.work_folder, ignore_errors=True)
    run = tracking.log_training(training.round, adapter, training.training_set, examples)
    if training.round is not None:
        model = model_of(training.base.record, adapter)
        registry = Registry(
            tracking, training.round.line, training.base, environment, training.settings
        )
        registry.register_challenger(adapter, model, run)
    if adapter.mlflow_run_id != run:
        adapter = replace(adapter, mlflow_run_id=run)
        store.update(adapter)
    return adapter


def model_of(base: Model, adapter: Adapter) -> Model:
    """The model that an adapter makes of its base."""
    return Model(
        id=content_id(
            "models", base.id, adapter.digest
        ),  # the base's id covers tokenizer and chat template
        name=f"{base.name}+{adapter.name}",
        base_model_id=base.id,
        adapter_id=adapter.id,
        revision=base.revision,
        chat_template_hash=base.chat_template_hash,
    )


def parent_of(store: "Store", round: Round | None, settings: Settings) -> Adapter | None:
    """The adapter to go on from: the champion's, with `start = "champion"`; None from the base."""
    if settings.training.start == "base" or round is None:
        return None
    champion = store.get(Model, round.champion_model_id)
    adapter = store.get(Adapter, champion.adapter_id) if champion and champion.adapter_id else None
    if adapter and adapter.kind != settings.training.kind:
        raise InputError(
            "Training goes on from a champion of its own kind; the champion's adapter"
            f" {adapter.id} is of kind {adapter.kind!r}, training.kind is"
            f' {settings.training.kind!r}. Set training.start = "base".'
        )
    return adapter


def render_examples(
    examples: Sequence[TrainingExample], training: Training, renderer: "RendersExamples"
) -> list[Tokens]:
    """Token ids, as in synthesis and evaluation; raises InputError for too few or too long ones."""
    training_set = training.training_set
    limit = training.settings.training
    if len(examples) < limit.min_examples:
        raise InputError(
            f"A training set needs at least {limit.min_examples} examples (training.min_examples);"
            f" {training_set.id} "
            f'has {len(examples)}. See why paths were refused: regenesis sql "SELECT reason,'
            " count(*) FROM selections "
            f"WHERE training_set_id = '{training_set.id}' GROUP BY reason\""
        )
    described = json.loads(training_set.settings)
    rendered: list[Tokens] = []
    for example in examples:
        turns = Turns(described.get("system", ""), example.prompt, described.get("prefill", ""))
        tokens = Tokens(renderer.prompt_ids(turns), renderer.completion_ids(example.completion))
        length = len(tokens.prompt_ids) + len(tokens.completion_ids)
        if length > limit.max_tokens:
            raise InputError(
                f"A training example has at most {limit.max_tokens} tokens (training.max_tokens);"
                f" example {example.id} has {length}. Raise the limit, or select with it so that"
                " the path is refused as over_length."
            )
        rendered.append(tokens)
    return rendered


def checked_mixing(settings: Settings) -> dict[str, float]:
    """The mixing weights; raises InputError where one is for a set that is not trained on."""
    sets = settings.questions.in_domain
    if strange := [name for name in settings.training.mixing if name not in sets]:
        raise InputError(
            f"Setting 'training.mixing' weighs in-domain question sets ({', '.join(sets)}); found"
            f" {strange[0]!r}. Correct the name, or add the set to questions.in_domain."
        )
    return settings.training.mixing


def question_sets_of(store: "Store", examples: Sequence[TrainingExample]) -> list[str]:
    """The name of the question set that each example is from."""
    names = {found.id: found.name for found in store.select(QuestionSet)}
    questions = store.select(Question, id=list({example.question_id for example in examples}))
    of_question = {question.id: names.get(question.question_set_id, "") for question in questions}
    return [of_question.get(example.question_id, "") for example in examples]


def example_counter(renderer: "RendersExamples") -> Callable[[Turns, str], int]:
    """Tokens of a whole example, for `select_examples(count_tokens=...)`."""
    return lambda turns, completion: (
        len(renderer.prompt_ids(turns)) + len(renderer.completion_ids(completion))
    )


def _mixed(
    store: "Store",
    examples: Sequence[TrainingExample],
    training: Training,
    renderer: "RendersExamples",
) -> list[Tokens]:
    """The rendered examples, each with how often an epoch takes it."""
    tokens = render_examples(examples, training, renderer)
    takes = takes_of(question_sets_of(store, examples), checked_mixing(training.settings))
    return [replace(one, takes=often) for one, often in zip(tokens, takes, strict=True)]


def _fine_tune(training: Training, environment: Environment, machine: Trains) -> FineTune:
    """How and where the weights are made. Raises InputError where the disk has no room for them."""
    _check_disk(training.base.folder, environment, training.settings.training)
    return FineTune(
        base_folder=training.base.folder,
        base_name=training.base.record.name,
        settings=training.settings.training,
        seed=seed_of(training.id),
        end_of_turn=machine.renderer(training.base, training.settings.model).end_of_turn,
        work_folder=environment.adapters / f".work-{training.id.hex}",
        log_file=environment.logs / "training.log",
        parent_folder=environment.home / training.parent.location if training.parent else None,
    )


def _store_weights(
    trained: TrainedWeights, environment: Environment, training: Training
) -> Adapter:
    """The weights moved under their digest with one rename, and their record."""
    digest = folder_digest(trained.folder)
    target = environment.adapters / digest[:32]
    if not target.is_dir():
        # one step on one disk; the name is the digest, so equal weights are stored once
        trained.folder.rename(target)
    round = training.round
    is_challenger = round is not None and training.training_set.method == "regenesis"
    return Adapter(
        id=training.id,
        name=f"round-{round.number}" if round and is_challenger else str(training.id)[:8],
        training_set_id=training.training_set.id,
        base_model_id=training.base.record.id,
        parent_adapter_id=training.parent.id if training.parent else None,
        kind=training.settings.training.kind,
        location=str(target.relative_to(environment.home)),
        digest=digest,
        settings=canonical(training.settings.training.model_dump(mode="json")),
        losses=trained.losses,
        tokens_trained=trained.tokens_trained,
        seconds=trained.seconds,
        precision=trained.precision,
        mlflow_run_id=None,
        created_at=datetime.now(UTC),
        round_id=round.id if round else None,
    )


def _store_record(store: "Store", base: Model, adapter: Adapter) -> None:
    """Store the adapter and its model, in the place of a row whose weights were lost."""
    known = store.get(Adapter, adapter.id)
    store.append([model_of(base, adapter), adapter])
    if known is not None:
        store.update(adapter)


def _check_disk(base_folder: Path, environment: Environment, training: TrainingSettings) -> None:
    """Raise InputError where the disk has no room for weights and checkpoints."""
    weights = weight_bytes(base_folder)
    needed = 14 * weights if training.kind == "full" else weights // 4
    environment.adapters.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(environment.adapters).free
    if free < needed:
        raise InputError(
            f"Training kind {training.kind!r} needs {needed / 1e9:.1f} GB of disk for checkpoints"
            f" and weights; {str(environment.adapters)!r} has {free / 1e9:.1f} GB free. Free some,"
            " or move REGENESIS_HOME."
        )
