"""What a round asks of the machine: a prepared model, a server of a model, a training run.

Tests script another machinery; steps and flows know only the protocols.
"""

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from storage.environment import Environment
from storage.errors import InputError, PermanentError
from storage.records import Adapter, Model
from tasks.engines.hardware import find_hardware
from tasks.engines.models.base_models import prepare_model
from tasks.engines.models.fingerprint import TEXT, fingerprint_of
from tasks.engines.models.merging import kept_share
from tasks.engines.models.rendering import Renderer
from tasks.engines.server import vllm_server
from tasks.engines.server.client import OpenAIEngine, Patience
from tasks.engines.server.recognition import Asked
from tasks.engines.server.server_plan import Serving
from tasks.engines.trainer import trainer
from tasks.engines.trainer.trainer import (
    FineTune,
    Tokens,
    TrainedWeights,
    TrainingProgress,
    merge_adapter,
)
from tasks.engines.trainer.training_room import training_bytes
from tasks.settings import ModelSettings, Settings
from tasks.training.train_adapter import Trains

if TYPE_CHECKING:
    from tasks.engines.engine import Engine
    from tasks.engines.models.base_models import PreparedModel
    from tasks.engines.server.vllm_server import Server

# of an adapter in bfloat16: one whose steps are 1e-3 keeps all, 3e-5 keeps 0.8, 1e-5 0.4
LEAST_KEPT = 0.9


class ServedModel(Protocol):
    """A server that answers as one model at a time."""

    start_seconds: float

    def answers_as(self, model: Model) -> bool:
        """Whether it is alive and serves this model."""
        ...

    def change_to(self, model: Model, adapter: Adapter | None) -> bool:
        """Serve this model from now on; False where only another server can."""
        ...

    def leaves_room(self) -> bool:
        """Whether its base can be trained beside it."""
        ...

    def engine(self, say: Callable[[str], None]) -> "Engine":
        """A new client, to be entered by the step; `say` is told of given servers."""
        ...

    def address(self) -> tuple[str, str, str]:
        """URL, model name and key with which other programs of this machine may ask it."""
        ...

    def raw_tokens_per_second(self) -> float:
        """Its own rate with no other work, measured now; 0 where that cannot be known."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Machinery(Trains, Protocol):
    """The edges of a round: what training needs, and servers."""

    def prepare(self, settings: ModelSettings, environment: Environment) -> "PreparedModel": ...

    def serve(
        self,
        model: Model,
        base: "PreparedModel",
        adapter: Adapter | None,
        settings: Settings,
        environment: Environment,
    ) -> ServedModel: ...


class LocalMachinery:
    """The real machinery: vLLM here or at given URLs, training in a child process."""

    def prepare(self, settings: ModelSettings, environment: Environment) -> "PreparedModel":
        return prepare_model(settings, environment)

    def renderer(self, base: "PreparedModel", settings: ModelSettings) -> "Renderer":
        return Renderer(base.folder, settings)

    def serve(
        self,
        model: Model,
        base: "PreparedModel",
        adapter: Adapter | None,
        settings: Settings,
        environment: Environment,
    ) -> ServedModel:
        """The base at the given endpoints, where there are any; else a server of our own."""
        renderer = self.renderer(base, settings.model)
        if environment.endpoints and adapter is None:
            return GivenEndpoints(model, base, renderer, settings, environment)
        serving = Serving(
            lora_rank=settings.training.lora_rank if settings.evaluation.adapter == "lora" else 0,
            cache_gib=settings.model.cache_gib,
            sequences=settings.model.sequences,
            swappable=True,
        )
        weights, log_file = (
            served_weights(base, adapter, settings, environment),
            environment.logs / "vllm.log",
        )
        started = vllm_server.running_server(
            weights, settings.model, log_file=log_file, serving=serving
        )
        return OwnServer(started, model, adapter, base, renderer, settings, environment)

    def train_weights(
        self,
        examples: Sequence[Tokens],
        wanted: FineTune,
        on_progress: Callable[[TrainingProgress], None] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> TrainedWeights:
        return trainer.train_weights(examples, wanted, on_progress, say)


class GivenEndpoints:
    """OpenAI-compatible servers of somebody else, which serve the base."""

    start_seconds = 0.0

    def __init__(
        self,
        model: Model,
        base: "PreparedModel",
        renderer: "Renderer",
        settings: Settings,
        environment: Environment,
    ) -> None:
        self._model = model
        self._base_names = (settings.model.name, base.record.name, str(base.folder))
        self._said: set[str] = set()
        self._fingerprint = (renderer.text_ids(TEXT), partial(fingerprint_of, base, environment))
        self._renderer = renderer
        self._settings = settings
        self._urls = environment.endpoints

    def answers_as(self, model: Model) -> bool:
        return model.id == self._model.id

    def change_to(self, model: Model, adapter: Adapter | None) -> bool:
        return False

    def leaves_room(self) -> bool:
        return True

    def address(self) -> tuple[str, str, str]:
        raise InputError(
            "Another harness asks a server of our own; REGENESIS_ENDPOINTS names others. Unset it"
            " for this command."
        )

    def raw_tokens_per_second(self) -> float:
        return 0.0  # others use them too

    def engine(self, say: Callable[[str], None]) -> "Engine":
        def say_once(line: str) -> None:
            if line not in self._said:
                self._said.add(line)
                say(line)

        ids, fingerprint = self._fingerprint
        asked = Asked(
            stop_token_ids=tuple(self._renderer.stop_token_ids),
            stop_strings=tuple(self._renderer.stop_strings),
            base_names=self._base_names,
            text_of=self._renderer.prompt_text,
            fingerprint_ids=tuple(ids),
            fingerprint=fingerprint,
        )
        return OpenAIEngine(self._urls, "", asked, patience_of(self._settings), say=say_once)

    def close(self) -> None: ...


class OwnServer:
    """A vLLM server of our own; it takes other weights of the same base without starting again."""

    def __init__(
        self,
        started: "AbstractContextManager[Server]",
        model: Model,
        adapter: Adapter | None,
        base: "PreparedModel",
        renderer: "Renderer",
        settings: Settings,
        environment: Environment,
    ) -> None:
        self._renderer = renderer
        self._settings = settings
        self._environment = environment
        self._base = base
        with ExitStack() as closing:
            self._server = closing.enter_context(started)
            self._show(model, adapter)
            self._closing = closing.pop_all()
        self.start_seconds = self._server.start_seconds

    def answers_as(self, model: Model) -> bool:
        return model.id == self._model.id and self._server.is_alive()

    def change_to(self, model: Model, adapter: Adapter | None) -> bool:
        if not self._server.is_alive():
            return False
        try:
            self._show(model, adapter)
        except PermanentError:
            return False
        return True

    def leaves_room(self) -> bool:
        machine = find_hardware()
        # vLLM fills a GPU with what requests have read
        return not machine.gpus and machine.available_bytes >= training_bytes(
            self._base.folder, self._settings.training
        )

    def _show(self, model: Model, adapter: Adapter | None) -> None:
        """Show the model's weights, or the base's with the name of its adapter."""
        weights = served_weights(self._base, adapter, self._settings, self._environment)
        if weights != self._server.weights:
            self._server.swap_weights(weights)
        self._name = self._server.model_name
        if adapter is not None and _is_served_as_lora(adapter, self._settings):
            self._name = self._server.load_adapter(
                adapter.name, self._environment.home / adapter.location
            )
        self._model = model

    def address(self) -> tuple[str, str, str]:
        return self._server.url, self._name, self._server.key

    def raw_tokens_per_second(self) -> float:
        return self._server.raw_tokens_per_second()

    def engine(self, say: Callable[[str], None]) -> "Engine":
        if note := lost_by_merging(self._server.weights):
            say(note)
        return self._server.engine(
            self._renderer, model_name=self._name, patience=patience_of(self._settings)
        )

    def close(self) -> None:
        self._closing.close()


def patience_of(settings: Settings) -> Patience:
    """How long and how often an engine tries, as the settings say."""
    synthesis = settings.synthesis
    return Patience(
        max_retries=synthesis.max_retries,
        timeout_seconds=synthesis.request_timeout_seconds,
        seconds_per_token=synthesis.request_seconds_per_token,
    )


def served_weights(
    base: "PreparedModel", adapter: Adapter | None, settings: Settings, environment: Environment
) -> Path:
    """The folder that vLLM loads for this adapter: whole weights, or the base's for LoRA."""
    as_lora = adapter is not None and _is_served_as_lora(adapter, settings)
    return base.folder if as_lora else weights_of(base, adapter, environment)


def _is_served_as_lora(adapter: Adapter, settings: Settings) -> bool:
    return settings.evaluation.adapter == "lora" and adapter.kind == "lora"


def lost_by_merging(weights: Path) -> str:
    """What a person should know of merged weights that round training away; else empty."""
    share = kept_share(weights)
    if share >= LEAST_KEPT:
        return ""
    return (
        f"The merged weights keep {share:.0%} of what the adapter learnt: its steps are smaller"
        ' than the base\'s weights are exact. evaluation.adapter = "lora" serves it as it is.'
    )


def weights_of(base: "PreparedModel", adapter: Adapter | None, environment: Environment) -> Path:
    """A folder with whole weights: the base's, full ones, or a merged adapter's."""
    if adapter is None:
        return base.folder
    location = environment.home / adapter.location
    if adapter.kind == "full":
        return location

    merged = environment.home / "merged"
    target = merged / adapter.digest[:32]
    if not target.is_dir():
        _keep_few(merged, keep=3)
        merge_adapter(base.folder, location, target)
    return target


def _keep_few(merged: Path, keep: int) -> None:
    """Merged weights can be made again; only the newest stay."""
    folders = sorted(
        (path for path in merged.glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime
    )
    for folder in folders[:-keep] if keep < len(folders) else []:
        shutil.rmtree(folder, ignore_errors=True)
