"""MLflow under a home: runs found again by tags, models that load in another process, aliases that
move.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import (
    _validate_logged_model_name,  # pyright: ignore[reportPrivateUsage]
    _validate_metric,  # pyright: ignore[reportPrivateUsage]
    _validate_model_name,  # pyright: ignore[reportPrivateUsage]
    _validate_param,  # pyright: ignore[reportPrivateUsage]
)

from storage.errors import InputError
from storage.ids import content_id
from storage.mlflow_tracking import MODEL_TAG, Tracking, key_name, logged_name, registered_name
from storage.records import Adapter, Model, Round, TrainingExample, TrainingSet
from tests.storage.examples import make, uid

LINE = "base/embedded"
ROUND = make(
    Round,
    1,
    number=1,
    line=LINE,
    settings='{"training": {"learning_rate": 0.1}, "seed": 1}',
    status="finished",
    outcome="promoted",
)
LONG_SETTINGS = {"seed": 1, **{f"setting_{number}": number for number in range(150)}}
TRAINING_SET = make(TrainingSet, 1, examples=2, digest="d" * 64, settings="{}")
EXAMPLES = [make(TrainingExample, place, position=place) for place in range(2)]
CODE = """
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
import pandas as pd


class Echo(PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None) -> list:
        return model_input.iloc[:, 0].tolist()


set_model(Echo())
"""
LOADER = """
import json, mlflow
mlflow.set_tracking_uri("{uri}")
loaded = mlflow.pyfunc.load_model("models:/{name}@champion")
answers = loaded.predict([{{"question": "What is 2 + 2?", "kind": "number"}}])
described = [loaded.metadata.signature is not None, loaded.input_example is not None]
print(json.dumps([answers, *described]))
"""


def model(name: str) -> Model:
    return make(Model, name, name=name)


def adapter(tracking: Tracking) -> Adapter:
    folder = tracking.home / "adapters" / "abc"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text("{}", "utf-8")
    return make(
        Adapter,
        1,
        location="adapters/abc",
        settings='{"lora_rank": 16}',
        losses=[2.0, 1.5, 1.0],
        tokens_trained=100,
        seconds=2.0,
        kind="lora",
    )


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    """One database for all of these: its migrations take seconds."""
    return Tracking(tmp_path_factory.mktemp("home"))


def test_two_threads_that_need_it_at_once_open_it_once(tracking: Tracking) -> None:
    later = Tracking(tracking.home)

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: later.client, range(2))

    assert first is second


def test_a_round_has_one_parent_run_with_its_settings(tracking: Tracking) -> None:
    first, second = tracking.log_round(ROUND), tracking.log_round(ROUND)
    assert first == second
    assert tracking.client.get_run(first).data.params["training.learning_rate"] == "0.1"


def test_a_stage_is_nested_under_its_round_and_logged_once(tracking: Tracking) -> None:
    runs = {tracking.log_stage(ROUND, "synthesis", metrics={"paths": 3.0}) for _ in range(2)}
    (run,) = runs
    tags = tracking.client.get_run(run).data.tags
    assert tags["mlflow.parentRunId"] == tracking.log_round(ROUND)


def test_a_fine_tune_has_its_curve_its_data_set_and_its_files(tracking: Tracking) -> None:
    run = tracking.log_training(ROUND, adapter(tracking), TRAINING_SET, EXAMPLES)
    client = tracking.client
    assert [point.value for point in client.get_metric_history(run, "loss")] == [2.0, 1.5, 1.0]
    inputs = client.get_run(run).inputs
    assert inputs is not None
    (logged,) = inputs.dataset_inputs
    assert logged.dataset.digest == "d" * 36
    assert json.loads(logged.dataset.profile or "{}")["num_rows"] == 2
    assert [file.path for file in client.list_artifacts(run, "adapter")] == [
        "adapter/adapter_config.json"
    ]


class Killed(BaseException):
    """What a kill is to the code that it meets."""


class DyingClient:
    """MLflow's client until a number of its writes are done; the next one kills."""

    def __init__(self, client: Any, writes: int) -> None:
        self._client, self.left = client, writes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not name.startswith(("create_", "log_", "set_")):
            return found

        def write(*given: Any, **named: Any) -> Any:
            if not self.left:
                raise Killed
            self.left -= 1
            return found(*given, **named)

        return write


@pytest.mark.parametrize("what", ["round", "stage", "training"])
def test_a_run_that_was_killed_between_any_two_writes_is_completed_by_the_next(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    client, trained = tracking.client, adapter(tracking)
    deaths = 0

    def logged(key: str) -> str:
        of_round = make(Round, key, number=2, line=LINE, settings=json.dumps(LONG_SETTINGS))
        log = {
            "round": lambda: tracking.log_round(of_round),
            "stage": lambda: tracking.log_stage(None, key, params={"a": 1}, metrics={"b": 2.0}),
            "training": lambda: tracking.log_training(
                of_round, replace(trained, id=uid(Adapter, key)), TRAINING_SET, EXAMPLES
            ),
        }
        return log[what]()

    def content(run: str) -> list[object]:
        found, inputs = client.get_run(run), client.get_run(run).inputs
        return [
            found.data.params,
            {name: value for name, value in found.data.metrics.items() if name != "loss"},
            [(p.step, p.value) for p in client.get_metric_history(run, "loss")],
            len(inputs.dataset_inputs) if inputs else 0,
            [file.path for file in client.list_artifacts(run, "adapter")],
            found.info.status,
        ]

    whole = content(logged(f"{what}-whole"))
    while True:
        key = f"{what}-{deaths}"
        with monkeypatch.context() as dying:
            dying.setattr(tracking, "_opened", DyingClient(client, deaths))
            try:
                logged(key)
                break
            except Killed:
                deaths += 1
        assert content(logged(key)) == whole
    assert deaths > 2


def test_a_registered_model_loads_by_its_alias_and_answers(
    tracking: Tracking, tmp_path: Path
) -> None:
    code = tmp_path / "echo.py"
    code.write_text(CODE, "utf-8")
    version = tracking.register_model(
        LINE, model("base"), reference={"digest": "x"}, code_file=code
    )
    again = tracking.register_model(LINE, model("base"), reference={"digest": "x"}, code_file=code)
    tracking.move_champion(LINE, model("base"))
    program = LOADER.format(uri=tracking.uri, name=registered_name(LINE))
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert json.loads(ran.stdout.splitlines()[-1]) == [["What is 2 + 2?"], True, True], ran.stderr
    assert version == again
    assert not list(tracking.artifacts.rglob("*.pkl"))


@pytest.mark.parametrize(
    "name",
    [
        "Qwen/Qwen2.5-Coder-1.5B-Instruct",
        "..",
        'a\'s "best" 1.7B: 100%',
        "模型-0.5",
        "a\nb",
        "x" * 300,
    ],
)
def test_a_model_of_any_name_is_registered(name: str, tracking: Tracking, tmp_path: Path) -> None:
    code = tmp_path / "echo.py"
    code.write_text(CODE, "utf-8")
    line, own = f"{name}/sums", model(name)

    version = tracking.register_model(line, own, reference={}, code_file=code)
    tracking.move_challenger(line, own)

    assert tracking.challenger(line) == own.id
    found = tracking.version_of(line, own.id)
    assert found
    assert str(found.version) == version


@given(st.text(min_size=1) | st.text(alphabet="./ :-a", min_size=1))
def test_mlflow_takes_whatever_a_name_becomes(name: str) -> None:
    for whole in (name, 300 * name):
        _validate_metric(key_name(f"in_domain.gate/{whole}.strict"), 0.5, 0, 0)
        _validate_param(key_name(f"comparison.groups.{whole}"), "near")
        registered = registered_name(f"{whole}/sums")
        _validate_model_name(registered)
        assert len(registered) <= 256
        _validate_logged_model_name(logged_name(whole))


def test_the_champion_alias_moves_and_names_the_model(tracking: Tracking) -> None:
    line = "another/line"
    assert tracking.champion(line) is None
    tracking.move_champion(line, model("first"))
    tracking.move_challenger(line, model("second"))
    tracking.move_champion(line, model("second"))
    assert tracking.champion(line) == tracking.challenger(line) == content_id("models", "second")


def test_the_end_of_a_round_is_written_with_its_figures_and_its_report(
    tracking: Tracking, tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text("<p>", "utf-8")
    tracking.finish_round(ROUND, {"accuracy": 0.5}, tmp_path)
    run = tracking.client.get_run(tracking.log_round(ROUND))
    assert (run.info.status, run.data.metrics["accuracy"]) == ("FINISHED", 0.5)
    assert run.data.tags["regenesis.outcome"] == "promoted"


def test_a_database_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database at all" * 100, "utf-8")
    with pytest.raises(InputError, match=r"move mlflow\.db aside"):
        Tracking(tmp_path).log_round(ROUND)


def test_a_death_while_mlflows_database_is_made_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(uri: str, artifacts: Path) -> None:
        Path(uri.removeprefix("sqlite:///")).write_bytes(b"half a database")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("storage.mlflow_tracking._open", dies)
        with pytest.raises(KeyboardInterrupt):
            _ = Tracking(tmp_path).client

    assert not (tmp_path / "mlflow.db").exists()
    assert Tracking(tmp_path).champion("small/sums") is None


def test_lines_whose_names_meet_have_a_registered_model_each(tracking: Tracking) -> None:
    """Whatever signs the names hold: all of these are `Qwen-Instruct-math` to MLflow."""
    lines = [f"Qwen{one}Instruct{other}math" for one in "/-: " for other in "/ :-"]

    moved = {line: tracking.move_champion(line, model(line)) for line in lines}

    assert {line: tracking.champion(line) for line in lines} == {
        line: model(line).id for line in lines
    }
    assert len(
        {version.name for line in lines if (version := tracking.version_of(line, model(line).id))}
    ) == len(lines)
    assert set(moved.values()) == {"1"}


def test_a_registered_model_of_an_earlier_version_stays_that_of_its_line(
    tracking: Tracking,
) -> None:
    line, other, name = "older/a-b", "older-a/b", "older-a-b"
    tracking.client.create_registered_model(name)
    made = tracking.client.create_model_version(
        name, "file:///x", tags={MODEL_TAG: str(model(line).id)}
    )
    tracking.client.set_registered_model_alias(name, "champion", made.version)

    assert tracking.champion(line) == model(line).id
    assert tracking.move_champion(line, model(line)) == str(made.version)
    tracking.move_champion(other, model(other))

    assert (tracking.champion(line), tracking.champion(other)) == (model(line).id, model(other).id)
    assert tracking.client.get_registered_model(name).tags["regenesis.line"] == line


def test_lines_whose_names_meet_at_the_same_moment_have_a_registered_model_each(
    tracking: Tracking,
) -> None:
    lines = [f"at once{sign}x" for sign in "/-: "]

    with ThreadPoolExecutor(len(lines)) as threads:
        list(threads.map(lambda line: tracking.move_champion(line, model(line)), lines))

    assert {line: tracking.champion(line) for line in lines} == {
        line: model(line).id for line in lines
    }
