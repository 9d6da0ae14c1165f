"""From a training set to an adapter that is stored by content, logged, registered, merged and
loadable.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from flows.steps.machinery import LocalMachinery
from storage.environment import Environment
from storage.errors import InputError, PermanentError
from storage.ids import content_id
from storage.mlflow_tracking import Tracking, registered_name
from storage.open_store import Store, open_store
from storage.records import (
    Adapter,
    Model,
    Question,
    QuestionSet,
    Round,
    TrainingExample,
    TrainingSet,
)
from tasks.engines.models.base_models import PreparedModel, describe_model
from tasks.engines.models.merging import merge_adapter
from tasks.engines.models.model_files import folder_digest
from tasks.engines.trainer.trainer import TrainingProgress
from tasks.rules.training.batching import takes_of
from tasks.settings import Settings, load_settings
from tasks.training.train_adapter import (
    Training,
    checked_mixing,
    model_of,
    parent_of,
    question_sets_of,
    train_adapter,
)
from tests.fakes.tiny_model import write_tiny_model
from tests.storage.examples import make

SETTINGS = load_settings(
    overrides={
        "training": {"epochs": 1, "learning_rate": 1e-2, "precision": "float32", "max_tokens": 128}
    }
)
LINE = "tiny/embedded"
LOADER = """
import json, mlflow
mlflow.set_tracking_uri("{uri}")
uris = ["models:/{name}@" + alias for alias in ("champion", "challenger")]
loaded = [mlflow.pyfunc.load_model(uri) for uri in uris]
rows = [
    {{"question": "What is 2 + 2?", "kind": "number"}},
    {{"question": "Which is largest?", "kind": "choice", "choices": ["7", "19"]}},
]
print(json.dumps([one.predict(rows) for one in loaded]))
described = [(one.metadata.signature, one.input_example) for one in loaded]
print(json.dumps([[one is not None for one in parts] for parts in described]))
"""


class Place:
    """A home with a tiny base model, a store and MLflow; what was trained there."""

    def __init__(self, home: Path, tokenizer_folder: Path) -> None:
        self.environment = Environment(home, f"duckdb:///{home / 'store.duckdb'}", (), None)
        self.base: PreparedModel = describe_model(
            write_tiny_model(home / "models" / "tiny", tokenizer_folder),
            self.environment,
            name="tiny",
        )
        self.store: Store = open_store(self.environment.store_url)
        self.tracking = Tracking(home)
        self.round = make(
            Round,
            "one",
            number=1,
            line=LINE,
            settings="{}",
            champion_model_id=self.base.record.id,
            status="running",
        )
        self.store.append([self.base.record, self.round])
        self.said: list[str] = []
        self.steps: list[TrainingProgress] = []

    def training_set(self, texts: Sequence[str]) -> TrainingSet:
        """A stored set that teaches these texts."""
        found = make(
            TrainingSet,
            list(texts),
            round_id=self.round.id,
            settings="{}",
            examples=len(texts),
            method="regenesis",
        )
        rows = [
            make(
                TrainingExample,
                (found.id, place),
                training_set_id=found.id,
                position=place,
                prompt=f"What is {place} + {place}?",
                completion=text,
            )
            for place, text in enumerate(texts)
        ]
        self.store.append([found, *rows])
        return found

    def train(self, training_set: TrainingSet, settings: Settings = SETTINGS) -> Adapter:
        training = Training(training_set, self.base, settings, self.round)
        return train_adapter(
            self.store,
            self.tracking,
            self.environment,
            LocalMachinery(),
            training,
            self.steps.append,
            self.said.append,
        )


@pytest.fixture(scope="module")
def place(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("home"), model_folder)


@pytest.fixture(scope="module")
def adapter(place: Place) -> Adapter:
    return place.train(
        place.training_set([f"Twice {n} makes {2 * n}. The answer is {2 * n}." for n in range(16)])
    )


@pytest.mark.engine
def test_an_adapter_lies_under_its_digest_and_its_row_tells_all(
    place: Place, adapter: Adapter
) -> None:
    folder = place.environment.home / adapter.location
    assert adapter.digest == folder_digest(folder)
    assert folder.name == adapter.digest[:32]
    assert adapter in place.store.select(Adapter)
    assert place.store.get(Model, model_of(place.base.record, adapter).id) is not None
    assert [one.step for one in place.steps] == [1, 2]
    assert [one.loss for one in place.steps] == adapter.losses
    assert not list(place.environment.adapters.glob(".work-*"))


@pytest.mark.engine
def test_an_adapter_that_is_there_is_not_trained_again(place: Place, adapter: Adapter) -> None:
    (training_set,) = place.store.select(TrainingSet, id=adapter.training_set_id)
    steps = len(place.steps)
    assert place.train(training_set) == adapter
    assert len(place.steps) == steps


@pytest.mark.engine
def test_base_and_challenger_are_registered_and_the_base_is_champion(
    place: Place, adapter: Adapter
) -> None:
    assert place.tracking.champion(LINE) == place.base.record.id
    assert place.tracking.challenger(LINE) == model_of(place.base.record, adapter).id
    version = place.tracking.version_of(LINE, model_of(place.base.record, adapter).id)
    assert version is not None
    assert version.tags["regenesis.training_set_id"] == str(adapter.training_set_id)
    assert "regenesis.licence" in version.tags
    run = place.tracking.client.get_run(adapter.mlflow_run_id or "")
    assert run.data.params["training_set_id"] == str(adapter.training_set_id)
    assert run.data.tags["mlflow.parentRunId"] == place.tracking.log_round(place.round)


@pytest.mark.engine
def test_the_registered_champion_and_challenger_answer_in_another_process(
    place: Place, adapter: Adapter, tmp_path: Path
) -> None:
    program = LOADER.format(uri=place.tracking.uri, name=registered_name(LINE))
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    answers, described = map(json.loads, ran.stdout.splitlines()[-2:])
    assert [[type(answer) for answer in of_one] for of_one in answers] == [[str, str]] * 2
    assert answers[0] != answers[1]  # the base and its adapter
    assert described == [[True, True]] * 2


@pytest.mark.engine
def test_merged_weights_are_base_plus_scaled_product(
    place: Place, adapter: Adapter, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    folder = place.environment.home / adapter.location
    merged = load_file(
        str(merge_adapter(place.base.folder, folder, tmp_path / "merged") / "model.safetensors")
    )
    base = load_file(str(place.base.folder / "model.safetensors"))
    parts = load_file(str(folder / "adapter_model.safetensors"))
    name = "model.layers.1.mlp.down_proj"
    product = (
        parts[f"base_model.model.{name}.lora_B.weight"]
        @ parts[f"base_model.model.{name}.lora_A.weight"]
    )
    assert product.abs().max() > 0
    torch.testing.assert_close(merged[f"{name}.weight"], base[f"{name}.weight"] + 32 / 16 * product)
    untouched = "model.embed_tokens.weight"
    assert torch.equal(merged[untouched], base[untouched])
    assert merged.keys() == base.keys()
    assert (tmp_path / "merged" / "tokenizer.json").is_file()


@pytest.mark.engine
def test_an_adapter_of_another_base_is_not_merged(
    place: Place, adapter: Adapter, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = place.environment.home / adapter.location
    other = tmp_path / "other"
    other.mkdir()
    (other / "adapter_config.json").write_bytes((folder / "adapter_config.json").read_bytes())
    renamed = {
        name.replace("layers.1", "layers.9"): one
        for name, one in load_file(str(folder / "adapter_model.safetensors")).items()
    }
    save_file(renamed, str(other / "adapter_model.safetensors"))
    with pytest.raises(PermanentError, match="another base"):
        merge_adapter(place.base.folder, other, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_tiny_training_set_is_an_error_that_says_where_to_look(place: Place) -> None:
    with pytest.raises(InputError, match=r"at least 8 examples.*regenesis sql"):
        place.train(place.training_set(["The answer is 1."] * 7))


def test_each_example_is_known_by_its_question_set_and_mixed_by_its_weight(place: Place) -> None:
    sets = [make(QuestionSet, name, name=name) for name in ("gcd", "products")]
    questions = [make(Question, n, question_set_id=sets[n > 0].id) for n in range(3)]
    place.store.append([*sets, *questions])
    examples = [
        make(TrainingExample, n, question_id=question.id) for n, question in enumerate(questions)
    ]
    names = question_sets_of(place.store, examples)
    assert names == ["gcd", "products", "products"]
    settings = load_settings(overrides={"training": {"mixing": {"gcd": 2}}})
    assert takes_of(names, checked_mixing(settings)) == [2.0, 0.5, 0.5]


def test_a_weight_for_a_set_that_is_not_trained_on_is_refused() -> None:
    settings = load_settings(overrides={"training": {"mixing": {"lcm": 2}}})
    with pytest.raises(InputError, match=r"training\.mixing.*gcd.*'lcm'"):
        checked_mixing(settings)


def test_an_example_over_the_limit_is_an_error_that_names_it(place: Place) -> None:
    with pytest.raises(InputError, match=r"at most 128 tokens.*over_length"):
        place.train(place.training_set(["word " * 300] * 8))


def test_a_champion_of_another_kind_cannot_be_gone_on_from(place: Place) -> None:
    full = make(Adapter, "full", kind="full", location="adapters/full")
    champion = make(Model, "champion", adapter_id=full.id)
    place.store.append([full, champion])
    going_on = SETTINGS.model_copy(
        update={"training": SETTINGS.training.model_copy(update={"start": "champion"})}
    )
    after = replace(place.round, id=content_id("rounds", "two"), champion_model_id=champion.id)
    with pytest.raises(InputError, match="of its own kind"):
        parent_of(place.store, after, going_on)
    assert parent_of(place.store, after, SETTINGS) is None
