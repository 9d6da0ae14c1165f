"""The only door to MLflow: runs, curves and model registry, in the home or at a server.

One parent run a round, nested runs for its stages; everything is found again by tags, so that
logging twice changes nothing. The store decides who is champion; the registry's alias follows it.
"""

import hashlib
import json
import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from storage.environment import mlflow_pages, tracking_url
from storage.errors import InputError
from storage.locks import alone
from storage.records import Adapter, Model, Round, TrainingExample, TrainingSet

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

# one experiment for all lines: rounds are told apart by tags, and compared on one page
EXPERIMENT = "regenesis"
CHAMPION, CHALLENGER = "champion", "challenger"
# tags carry the store's ids, by which a version or a run is found again; names are for people
MODEL_TAG, ADAPTER_TAG = "regenesis.model_id", "regenesis.adapter_id"
ROUND_TAG, STAGE_TAG, LINE_TAG = "regenesis.round_id", "regenesis.stage", "regenesis.line"
# MLflow's first opening runs its own migrations, which a busy machine does slowly
_OPEN_SECONDS = 300.0
LONGEST_VALUE = 500  # characters of a parameter
_LONGEST_NAME = 250  # of a figure; a registered model's may have six more


def registered_name(line: str) -> str:
    """The name of a line's registered model where no other line has it.

    MLflow refuses slashes, colons and what leads out of a folder, and keeps 256 characters.

    Lines may meet in it: `Qwen/Instruct-math` and `Qwen-Instruct/math`.
    """
    name = re.sub(r"^\.\.+|[^\w.-]+", "-", line)
    return name if len(name) <= _LONGEST_NAME else _with_digest(name, line)


def logged_name(model: str) -> str:
    """The name of a logged model, in which MLflow refuses dots, too: `Qwen2-5-Coder-1-5B`."""
    return re.sub(r"[^\w-]+", "-", model)[:_LONGEST_NAME]


def key_name(key: str) -> str:
    """A parameter's or figure's name of which MLflow takes every sign; no part leaves a folder."""
    parts = re.sub(r"^\.\.|[^\w. /:-]", "-", key).split("/")
    name = "/".join("-" if part.strip(".") == "" else part for part in parts)
    return name if len(name) <= _LONGEST_NAME else _with_digest(name, key)


class Tracking:
    """MLflow in a home, or at the environment's server; imported and opened at first use."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.uri = tracking_url(self.home)
        self.artifacts = self.home / "artifacts"
        self._opening = threading.Lock()
        self._opened: MlflowClient | None = None
        self._experiment = ""

    @property
    def client(self) -> "MlflowClient":
        """MLflow's client on this home's database, made (and migrated) once."""
        with self._opening:
            if self._opened is None:
                self.home.mkdir(parents=True, exist_ok=True)
                # two processes at once would both make its tables
                with alone(self.home / "mlflow.lock", wait_seconds=_OPEN_SECONDS):
                    if self.uri.startswith("sqlite:"):
                        _make_whole(self.home / "mlflow.db", self.artifacts)
                    self._opened, self._experiment = _open(self.uri, self.artifacts)
            return self._opened

    def log_round(self, round: Round) -> str:
        """The id of the round's parent run, made with the round's settings where needed."""
        # a step that runs again after a crash finds the run of its first try
        own = {ROUND_TAG: str(round.id), STAGE_TAG: "round"}
        run = self._find_run(own) or self._start_run(
            f"round-{round.number}", own | {LINE_TAG: round.line}
        )
        params = flattened(json.loads(round.settings)) | {"round.seed": round.seed}
        self._log_missing_params(run, params)
        return run.info.run_id

    def finish_round(self, round: Round, figures: Mapping[str, float], folder: Path) -> None:
        """Outcome, figures and files (report, plots, environment) of a round that is over."""
        run = self.log_round(round)
        self.client.set_tag(run, "regenesis.outcome", round.outcome)
        self.log_metrics(run, figures)
        self.client.log_artifacts(run, str(folder))
        self.client.set_terminated(run, "FINISHED" if round.status == "finished" else "FAILED")

    def page_of(self, round: Round, file: Path) -> str:
        """Where a person opens a file of the round's run: MLflow's page, if a server shows one."""
        pages = mlflow_pages()
        if not pages:
            return file.as_uri()
        run = self.log_round(round)
        return f"{pages}/#/experiments/{self._experiment}/runs/{run}/artifacts/{file.name}"

    def note_decision(self, round: Round, model_id: UUID, person: str, reasons: str) -> None:
        """Note a person's decision over the gate's, as tags of run and model version."""
        # tags of the run and of the version: MLflow shows them on both pages
        tags = {"regenesis.overruled": reasons, "regenesis.overruled_by": person}
        run, version = self.log_round(round), self.version_of(round.line, model_id)
        for key, value in tags.items():
            self.client.set_tag(run, key, value)
            if version:
                self.client.set_model_version_tag(version.name, version.version, key, value)

    def log_stage(
        self,
        round: Round | None,
        stage: str,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """A nested run for a stage; the same run when it is logged again."""
        run = self._stage_run(round, stage, params or {}, tags or {})
        self.log_metrics(run, metrics or {})
        self.client.set_terminated(run)
        return run

    def _stage_run(
        self,
        round: Round | None,
        stage: str,
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> str:
        own = {STAGE_TAG: stage} | ({ROUND_TAG: str(round.id)} if round else {}) | dict(tags)
        run = self._find_run(own)
        if run is None:
            parent = {"mlflow.parentRunId": self.log_round(round)} if round else {}
            run = self._start_run(f"{stage}-{round.number}" if round else stage, own | parent)
        self._log_missing_params(run, params)
        return run.info.run_id

    def log_training(
        self,
        round: Round | None,
        adapter: Adapter,
        training_set: TrainingSet,
        examples: Sequence[TrainingExample],
    ) -> str:
        """The run of a fine-tune: settings, loss curve, training set and the adapter's files.

        It is terminated when it has all of them; a run that was cut off is completed.
        """
        tags = {ADAPTER_TAG: str(adapter.id), "regenesis.training_set_id": str(training_set.id)}
        known = self._find_run({STAGE_TAG: "training", **tags})
        if known and known.info.status == "FINISHED":
            return known.info.run_id
        params = flattened(json.loads(adapter.settings)) | {
            "training_set_id": training_set.id,
            "training_set_digest": training_set.digest,
            "examples": training_set.examples,
            "hinted_examples": training_set.hinted_examples,
            "precision": adapter.precision,
            "kind": adapter.kind,
            "adapter_digest": adapter.digest,
        }
        figures = {"seconds": adapter.seconds, "tokens_trained": float(adapter.tokens_trained)}
        if adapter.seconds:
            figures["tokens_per_second"] = adapter.tokens_trained / adapter.seconds
        run = self._stage_run(round, "training", params, tags)
        self.log_metrics(run, figures)
        self._log_losses(run, adapter)
        self._log_dataset(run, training_set, examples)
        if adapter.kind == "lora":  # full weights stay where they are: a reference and a digest
            self.client.log_artifacts(run, str(self.home / adapter.location), "adapter")
        self.client.set_terminated(run)
        return run

    def register_model(
        self,
        line: str,
        model: Model,
        *,
        reference: Mapping[str, object],
        code_file: Path,
        run_id: str = "",
        tags: Mapping[str, str] | None = None,
        files: Mapping[str, Path] | None = None,
    ) -> str:
        """The model's version in its line's registered model, for `mlflow.pyfunc.load_model`.

        `code_file` is run by MLflow at load (models from code, no pickle); `reference` is its JSON
        artifact, `files` are copied beside it. A model that is registered keeps its version.
        """
        found = self.version_of(line, model.id)
        if found:
            return str(found.version)
        name = self._taken(line)
        own = {MODEL_TAG: str(model.id), ADAPTER_TAG: str(model.adapter_id or "")} | dict(
            tags or {}
        )
        with self._fluent(run_id) as mlflow:
            info = _log_pyfunc(mlflow, model, reference, code_file, files or {}, self.home)
            made = self.client.create_model_version(
                name,
                info.model_uri,
                run_id or None,
                tags=own,
                description=model.name,
                model_id=info.model_id,
            )
        return str(made.version)

    def version_of(self, line: str, model_id: UUID) -> "ModelVersion | None":
        """The registered version of a model; None when it was never registered."""
        name = self._name_of(line)
        if self._owner_of(name) is None:
            return None
        found = self.client.search_model_versions(f"name = '{name}'", max_results=1000)
        mine = [version for version in found if version.tags.get(MODEL_TAG) == str(model_id)]
        # two processes may have registered it at once; the first version counts
        return min(mine, key=lambda version: int(version.version), default=None)

    def champion(self, line: str) -> UUID | None:
        """The model that MLflow's `champion` alias names; None when there is none."""
        return self._aliased(line, CHAMPION)

    def challenger(self, line: str) -> UUID | None:
        """The model that MLflow's `challenger` alias names; None when there is none."""
        return self._aliased(line, CHALLENGER)

    def move_champion(self, line: str, model: Model, location: str = "") -> str:
        """Point `champion` at this model's version; an unregistered model gets a bare reference."""
        return self._move(line, CHAMPION, model, location)

    def move_challenger(self, line: str, model: Model, location: str = "") -> str:
        """Point `challenger` at this model's version."""
        return self._move(line, CHALLENGER, model, location)

    def _log_missing_params(self, run: "Run", params: Mapping[str, object]) -> None:
        """Those that the run does not have, shortened to what MLflow takes; it changes none."""
        from mlflow.entities import Param

        named = {key_name(key): value for key, value in params.items()}
        missing = {key: value for key, value in named.items() if key not in run.data.params}
        for some in _chunks(
            [Param(key, str(value)[:LONGEST_VALUE]) for key, value in missing.items()], 100
        ):
            self.client.log_batch(run.info.run_id, params=some)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Figures without a step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for some in _chunks(
            [Metric(key_name(key), float(value), now, 0) for key, value in metrics.items()],
            1000,
        ):
            self.client.log_batch(run_id, metrics=some)

    def _log_losses(self, run_id: str, adapter: Adapter) -> None:
        from mlflow.entities import Metric

        # by the adapter's own time, so that a point that is logged again is the same point
        made = int(adapter.created_at.timestamp() * 1000)
        for some in _chunks(
            [Metric("loss", value, made, step) for step, value in enumerate(adapter.losses, 1)],
            1000,
        ):
            self.client.log_batch(run_id, metrics=some)

    def _log_dataset(
        self, run_id: str, training_set: TrainingSet, examples: Sequence[TrainingExample]
    ) -> None:
        """The training set as an MLflow data set under our digest; its texts stay in the store."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        profile = json.dumps({"num_rows": len(examples), "hinted": training_set.hinted_examples})
        fields = [
            {"type": "string", "name": name, "required": True} for name in ("prompt", "completion")
        ]
        dataset = Dataset(
            name=f"training-set-{str(training_set.id)[:8]}",
            digest=training_set.digest[:36],
            source_type="code",
            source=json.dumps(
                {"table": "training_examples", "training_set_id": str(training_set.id)}
            ),
            schema=json.dumps({"mlflow_colspec": fields}),
            profile=profile,
        )
        self.client.log_inputs(
            run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        )

    def _move(self, line: str, alias: str, model: Model, location: str) -> str:
        name = self._taken(line)
        found = self.version_of(line, model.id)
        if found is None:
            source = (self.home / (location or "models")).as_uri()
            found = self.client.create_model_version(name, source, tags={MODEL_TAG: str(model.id)})
        self.client.set_registered_model_alias(name, alias, found.version)
        return str(found.version)

    def _aliased(self, line: str, alias: str) -> UUID | None:
        from mlflow.exceptions import MlflowException

        try:
            version = self.client.get_model_version_by_alias(self._name_of(line), alias)
        except MlflowException:
            return None
        tagged = version.tags.get(MODEL_TAG)
        return UUID(tagged) if tagged else None

    def _name_of(self, line: str) -> str:
        """The name of a line's registered model, with a digest if an earlier line has the name."""
        name = registered_name(line)
        if self._owner_of(name) in (None, "", line):
            return name
        return _with_digest(name, line)

    def _owner_of(self, name: str) -> str | None:
        """The line that owns this registered model; empty if unknown, None if there is no model."""
        found = self.client.search_registered_models(f"name = '{name}'")
        return found[0].tags.get(LINE_TAG, "") if found else None

    def _taken(self, line: str) -> str:
        """The line's registered model, made if missing, which from now on is the line's alone."""
        client = self.client  # opened before the lock, which its opening takes, too
        with alone(self.home / "mlflow.lock", wait_seconds=_OPEN_SECONDS):
            name = self._name_of(line)
            owner = self._owner_of(name)
            if owner is None:
                client.create_registered_model(name, tags={LINE_TAG: line})
            elif not owner:
                client.set_registered_model_tag(name, LINE_TAG, line)
        return name

    def _find_run(self, tags: Mapping[str, str]) -> "Run | None":
        """The first run with these tags; None when there is none."""
        client = self.client
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found = client.search_runs(
            [self._experiment], wanted, max_results=1, order_by=["attributes.start_time ASC"]
        )
        return found[0] if found else None

    def _start_run(self, name: str, tags: Mapping[str, str]) -> "Run":
        client = self.client
        return client.create_run(self._experiment, tags=dict(tags), run_name=name)

    @contextmanager
    def _fluent(self, run_id: str) -> Generator[Any]:
        """MLflow's module-level interface on this home, for what the client lacks."""
        client = self.client
        import mlflow

        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(self.uri)  # the registry follows it
        own = {STAGE_TAG: "models"}
        run = run_id or (self._find_run(own) or self._start_run("models", own)).info.run_id
        try:
            with mlflow.start_run(run_id=run, experiment_id=self._experiment):
                yield mlflow
        finally:
            client.set_terminated(run)
            mlflow.set_tracking_uri(before)


def flattened(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested settings as `training.learning_rate` = value."""
    flat: dict[str, object] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        flat |= (
            flattened(cast("Mapping[str, object]", value), f"{name}.")
            if isinstance(value, dict)
            else {name: value}
        )
    return flat


def _make_whole(file: Path, artifacts: Path) -> None:
    """Make MLflow's database aside, then give it its name: a kill leaves none half made."""
    for stale in file.parent.glob(f".{file.name}.*.partial"):
        if not Path(f"/proc/{stale.suffixes[-2][1:]}").exists():
            stale.unlink(missing_ok=True)
    if file.exists():
        return
    # a name for each try: MLflow keeps what it opened under a name once, also where a full disk
    # broke it off
    partial = file.with_name(f".{file.name}.{time.time_ns()}.{os.getpid()}.partial")
    try:
        _open(f"sqlite:///{partial}", artifacts)
        with suppress(FileExistsError):  # another process was first
            # link and not rename: it fails where the file is there, and overwrites nothing
            os.link(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def _open(uri: str, artifacts: Path) -> "tuple[MlflowClient, str]":
    """Client and experiment; MLflow's chatter and telemetry off."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow asks for the git commit, and GitPython complains where there is no git
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            found = client.get_experiment_by_name(EXPERIMENT)
            # a server has its own
            place = artifacts.as_uri() if uri.startswith("sqlite:") else None
            identity = found.experiment_id if found else client.create_experiment(EXPERIMENT, place)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise InputError(
                f"MLflow's database must open as {uri!r}; it does not ({str(error)[:200]}). If it"
                " is damaged or newer, move mlflow.db aside; aliases are restored from the store."
            ) from error
    return client, identity


def _log_pyfunc(
    mlflow: Any,
    model: Model,
    reference: Mapping[str, object],
    code_file: Path,
    files: Mapping[str, Path],
    home: Path,
) -> Any:
    """Log one models-from-code model with signature and input example."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema

    text = DataType.string
    inputs = Schema(
        [
            ColSpec(text, "question"),
            ColSpec(
                text, "kind"
            ),  # required: a default would hide in which form a question is asked
            # a list of texts; MLflow's own type for one refuses the empty cell of a row that has
            # none
            ColSpec(AnyType(), "choices", required=False),
        ]
    )
    signature = ModelSignature(inputs, Schema([ColSpec(text)]))
    # MLflow copies artifacts from files
    written = home / f".reference-{model.id}.json"
    written.write_text(json.dumps(dict(reference), indent=2, sort_keys=True), "utf-8")
    try:
        artifacts = {"reference": str(written)} | {key: str(path) for key, path in files.items()}
        return _quietly(
            mlflow.models.Model.log,
            artifact_path=None,
            flavor=_untried_pyfunc(mlflow),
            validate_serving_input=False,
            name=logged_name(model.name),
            python_model=str(code_file),
            artifacts=artifacts,
            signature=signature,
            input_example=[{"question": "What is 2 + 2?", "kind": "number"}],
            pip_requirements=["regenesis"],
        )
    finally:
        written.unlink(missing_ok=True)


def _untried_pyfunc(mlflow: Any) -> SimpleNamespace:
    """MLflow's pyfunc flavour without trying the example, which would load the weights (10 s)."""

    def save_model(validate_serving_input: bool, **kwargs: object) -> None:
        mlflow.pyfunc.save_model(**kwargs)

    return SimpleNamespace(save_model=save_model, __name__="mlflow.pyfunc")


def _quietly(act: Any, *args: object, **kwargs: object) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return act(*args, **kwargs)


def _with_digest(name: str, whole: str) -> str:
    """The name with what tells it from others that begin, or read, alike."""
    digest = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{name[: _LONGEST_NAME - 13]}-{digest}"


def _chunks(items: Sequence[Any], size: int) -> Iterable[list[Any]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
