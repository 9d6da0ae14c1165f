"""The step from a training set to an adapter: rendered, trained, stored by content, logged and registered.

The adapter's id is the hash of base, parent, training set and settings; one that is in the store is not trained
again. Weights lie under their digest, whole or not at all.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from storage.environment import Environment
from storage.errors import InputError
from storage.ids import canonical, content_id, seed_of
from storage.records import Adapter, Model, Question, QuestionSet, Round, TrainingExample, TrainingSet
from tasks.engines.models.model_files import folder_digest, weight_bytes
from tasks.rules.ladder.prompts import Turns
from tasks.rules.training.batching import takes_of
from tasks.settings import Settings, TrainingSettings
from tasks.training.register_models import register_challenger

if TYPE_CHECKING:
    from storage.mlflow_tracking import Tracking
    from storage.open_store import Store
    from tasks.engines.engine import RendersExamples
    from tasks.engines.models.base_models import PreparedModel
    from tasks.engines.trainer.trainer import Tokens, TrainedWeights, TrainingProgress

# How it is computed, not what: these change no id.
HOW = {
    "device_batch_size",
    "precision",
    "accelerate_config",
    "checkpoint_steps",
    "gradient_checkpointing",
    "min_examples",
}


def train_adapter(
    store: "Store",
    tracking: "Tracking",
    *,
    training_set: TrainingSet,
    base: "PreparedModel",
    environment: Environment,
    settings: Settings,
    round: Round | None,
    parent: Adapter | None = None,
    on_progress: Callable[[int, int, float], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Adapter:
    """The adapter of this training set, stored and logged to MLflow; a round's is registered as challenger.

    It goes on from `parent`, or from what the settings say. `on_progress(step, steps, loss)` is called
    after each step; `say` gets lines for people (precision, out of memory). Raises InputError on too few or too long
    examples.
    """
    parent = parent or parent_of(store, round, settings)
    identity = adapter_id(base.record, parent, training_set, settings)
    adapter = store.get(Adapter, identity)
    examples = store.select(TrainingExample, training_set_id=training_set.id, order_by="position")
    if adapter is None or not (environment.home / adapter.location).is_dir():
        tokens = render_examples(examples, training_set, base, settings)
        takes = takes_of(question_sets_of(store, examples), checked_mixing(settings))
        tokens = [replace(one, takes=often) for one, often in zip(tokens, takes, strict=True)]
        work = environment.adapters / f".work-{identity.hex}"
        trained = _train(tokens, work, base, parent, environment, settings, identity, on_progress, say)
        adapter = _store_weights(trained, environment, training_set, base.record, parent, settings, round, identity)
        _store_record(store, base.record, adapter)
        shutil.rmtree(work, ignore_errors=True)
    run = tracking.log_training(round, adapter, training_set, examples)
    if round is not None:
        register_challenger(tracking, base, adapter, model_of(base.record, adapter), environment, settings, round, run)
    if adapter.mlflow_run_id != run:
        adapter = replace(adapter, mlflow_run_id=run)
        store.update(adapter)
    return adapter


def adapter_id(base: Model, parent: Adapter | None, training_set: TrainingSet, settings: Settings) -> UUID:
    """Hash of base model, parent, training set and training settings."""
    what = {name: value for name, value in settings.training.model_dump(mode="json").items() if name not in HOW}
    return content_id("adapters", base.id, parent.id if parent else None, training_set.id, what)


def model_of(base: Model, adapter: Adapter) -> Model:
    """The model that an adapter makes of its base."""
    return Model(
        id=content_id("models", base.id, adapter.digest),  # the base's id covers tokenizer and chat template
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
            f"Training goes on from a champion of its own kind; the champion's adapter {adapter.id} is of kind "
            f'{adapter.kind!r}, training.kind is {settings.training.kind!r}. Set training.start = "base".'
        )
    return adapter


def render_examples(
    examples: Sequence[TrainingExample], training_set: TrainingSet, base: "PreparedModel", settings: Settings
) -> "list[Tokens]":
    """Token ids by the function that renders for synthesis and evaluation; raises InputError on what can't be used."""
    from tasks.engines.models.rendering import Renderer
    from tasks.engines.trainer.trainer import Tokens

    limit = settings.training
    if len(examples) < limit.min_examples:
        raise InputError(
            f"A training set needs at least {limit.min_examples} examples (training.min_examples); {training_set.id} "
            f'has {len(examples)}. See why paths were refused: regenesis sql "SELECT reason, count(*) FROM selections '
            f"WHERE training_set_id = '{training_set.id}' GROUP BY reason\""
        )
    renderer = Renderer(base.folder, settings.model)
    described = json.loads(training_set.settings)
    rendered: list[Tokens] = []
    for example in examples:
        turns = Turns(described.get("system", ""), example.prompt, described.get("prefill", ""))
        tokens = Tokens(renderer.prompt_ids(turns), renderer.completion_ids(example.completion))
        length = len(tokens.prompt_ids) + len(tokens.completion_ids)
        if length > limit.max_tokens:
            raise InputError(
                f"A training example has at most {limit.max_tokens} tokens (training.max_tokens); example {example.id} "
                f"has {length}. Raise the limit, or select with it so that the path is refused as over_length."
            )
        rendered.append(tokens)
    return rendered


def checked_mixing(settings: Settings) -> dict[str, float]:
    """The mixing weights; raises InputError where one is for a set that is not trained on."""
    sets = settings.questions.in_domain
    if strange := [name for name in settings.training.mixing if name not in sets]:
        raise InputError(
            f"Setting 'training.mixing' weighs in-domain question sets ({', '.join(sets)}); found {strange[0]!r}. "
            "Mend the name, or add the set to questions.in_domain."
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
    return lambda turns, completion: len(renderer.prompt_ids(turns)) + len(renderer.completion_ids(completion))


def _train(
    tokens: "Sequence[Tokens]",
    work: Path,
    base: "PreparedModel",
    parent: Adapter | None,
    environment: Environment,
    settings: Settings,
    identity: UUID,
    on_progress: Callable[[int, int, float], None] | None,
    say: Callable[[str], None] | None,
) -> "TrainedWeights":
    from tasks.engines.models.rendering import Renderer
    from tasks.engines.trainer.trainer import train_weights

    _check_disk(base.folder, environment, settings.training)

    def tell(progress: "TrainingProgress") -> None:
        if on_progress:
            on_progress(progress.step, progress.steps, progress.loss)

    return train_weights(
        tokens,
        base_folder=base.folder,
        base_name=base.record.name,
        settings=settings.training,
        seed=seed_of(identity),
        work_folder=work,
        log_file=environment.logs / "training.log",
        end_of_turn=Renderer(base.folder, settings.model).end_of_turn,
        parent_folder=environment.home / parent.location if parent else None,
        on_progress=tell,
        say=say,
    )


def _store_weights(
    trained: "TrainedWeights",
    environment: Environment,
    training_set: TrainingSet,
    base: Model,
    parent: Adapter | None,
    settings: Settings,
    round: Round | None,
    identity: UUID,
) -> Adapter:
    """The weights moved under their digest with one rename, and their record."""
    digest = folder_digest(trained.folder)
    target = environment.adapters / digest[:32]
    if not target.is_dir():
        trained.folder.rename(target)
    return Adapter(
        id=identity,
        name=f"round-{round.number}" if round and training_set.method == "regenesis" else str(identity)[:8],
        training_set_id=training_set.id,
        base_model_id=base.id,
        parent_adapter_id=parent.id if parent else None,
        kind=settings.training.kind,
        location=str(target.relative_to(environment.home)),
        digest=digest,
        settings=canonical(settings.training.model_dump(mode="json")),
        losses=trained.losses,
        tokens_trained=trained.tokens_trained,
        seconds=trained.seconds,
        precision=trained.precision,
        mlflow_run_id=None,
        created_at=datetime.now(UTC),
        round_id=round.id if round else None,
    )


def _store_record(store: "Store", base: Model, adapter: Adapter) -> None:
    """The adapter and its model; one whose weights were lost, or never came here, is put in the old one's place."""
    known = store.get(Adapter, adapter.id)
    store.append([model_of(base, adapter), adapter])
    if known is not None:
        store.update(adapter)


def _check_disk(base_folder: Path, environment: Environment, training: TrainingSettings) -> None:
    """Full weights and a checkpoint with its optimizer are some seven times the base; an adapter is small."""
    weights = weight_bytes(base_folder)
    needed = 14 * weights if training.kind == "full" else weights // 4
    environment.adapters.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(environment.adapters).free
    if free < needed:
        raise InputError(
            f"Training kind {training.kind!r} needs {needed / 1e9:.1f} GB of disk for checkpoints and weights; "
            f"{str(environment.adapters)!r} has {free / 1e9:.1f} GB free. Free some, or move REGENESIS_HOME."
        )
