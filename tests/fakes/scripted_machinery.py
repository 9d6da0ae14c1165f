"""A machinery without vLLM or training.

Answers come from the store's own references, weights are an empty file.

Run as a program it is the `regenesis` command with that machinery, for tests that kill it.
"""

import json
import os
from collections.abc import Callable, Sequence

from flows.steps.machinery import ServedModel
from storage.environment import Environment
from storage.ids import content_id
from storage.open_store import open_store
from storage.records import Adapter, Model, Question
from tasks.engines.engine import RequestFailed
from tasks.engines.models.base_models import PreparedModel
from tasks.engines.trainer.trainer import FineTune, Tokens, TrainedWeights, TrainingProgress
from tasks.settings import ModelSettings, Settings
from tests.fakes.scripted_engine import Asked, ScriptedEngine, TextRenderer

BASE = Model(
    id=content_id("models", "scripted"),
    name="scripted",
    base_model_id=content_id("models", "scripted"),
    adapter_id=None,
    revision="r",
    chat_template_hash="h",
)


class ScriptedMachinery:
    """The base is right with probability `base_share`, every adapter with `trained_share`."""

    def __init__(
        self, base_share: float = 0.4, trained_share: float = 0.9, delay: float = 0.0
    ) -> None:
        self.base_share = base_share
        self.trained_share = trained_share
        self.delay = delay
        self.repeats = False  # whether every path says the same words
        self.leaves_room = True  # whether training finds room beside a server
        self.deaths: list[
            int
        ] = []  # after how many requests each server's process ends, the first to start first
        self.starts = 0  # of servers
        self.served: list[str] = []
        self.trained: list[FineTune] = []

    def prepare(self, settings: ModelSettings, environment: Environment) -> PreparedModel:
        folder = environment.home / "models" / "scripted"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}", "utf-8")
        return PreparedModel(folder, BASE, "none")

    def renderer(self, base: PreparedModel, settings: ModelSettings) -> TextRenderer:
        return TextRenderer()

    def serve(
        self,
        model: Model,
        base: PreparedModel,
        adapter: Adapter | None,
        settings: Settings,
        environment: Environment,
    ) -> ServedModel:
        self.starts += 1
        return ScriptedServer(self, model, environment)

    def train_weights(
        self,
        examples: Sequence[Tokens],
        wanted: FineTune,
        on_progress: Callable[[TrainingProgress], None] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> TrainedWeights:
        """Weights that hold nothing but what they would have been made of."""
        folder = wanted.work_folder / "output"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps({"seed": wanted.seed}), "utf-8")
        self.trained.append(wanted)
        return TrainedWeights(folder, [2.0, 1.0], 100, 0.1, "float32", 0)


class ScriptedServer:
    """Answers as any model of its machinery, and knows the references of the store."""

    start_seconds = 0.0

    def __init__(
        self, machinery: ScriptedMachinery, model: Model, environment: Environment
    ) -> None:
        self._machinery = machinery
        self._environment = environment
        self._model = model
        self._left = machinery.deaths.pop(0) if machinery.deaths else -1
        machinery.served.append(model.name)

    def answers_as(self, model: Model) -> bool:
        return model.id == self._model.id and self._left != 0

    def change_to(self, model: Model, adapter: Adapter | None) -> bool:
        if self._left == 0:
            return False
        self._model = model
        self._machinery.served.append(model.name)
        return True

    def leaves_room(self) -> bool:
        return self._machinery.leaves_room

    def address(self) -> tuple[str, str, str]:
        return "http://127.0.0.1:9", "scripted", ""

    def raw_tokens_per_second(self) -> float:
        return 0.0

    def engine(self, say: Callable[[str], None]) -> ScriptedEngine:
        machinery = self._machinery
        share = machinery.base_share if self._model.adapter_id is None else machinery.trained_share
        questions = open_store(self._environment.store_url).select(Question)
        script = _script(
            {question.text: question.answer for question in questions},
            share,
            self._model.name,
            machinery.repeats,
        )
        return ScriptedEngine(
            lambda asked: self._dead() or script(asked), delay=lambda _: machinery.delay
        )

    def _dead(self) -> RequestFailed | None:
        if self._left == 0:
            return RequestFailed(
                "The server's process has ended.", reason="endpoint_error", attempts=1, fatal=True
            )
        self._left -= self._left > 0
        return None

    def close(self) -> None: ...


def _script(
    answers: dict[str, str], share: float, name: str, repeats: bool = False
) -> Callable[[Asked], str]:
    longest_first = sorted(answers, key=len, reverse=True)

    def answer(asked: Asked) -> str:
        text = next((text for text in longest_first if text in asked.prompt), "")
        draw = content_id("scripted", name, asked.prompt, asked.seed).int % 1000 / 1000
        right = draw < share
        if repeats:
            return "I do it again and again and again. The answer is 987654321."
        words = " ".join(f"word{draw}-{place}" for place in range(5))
        stated = answers.get(text, "0") if right else "987654321"
        return f"{words}. Step {stated} of {draw}. The answer is {stated}."

    return answer


def main() -> None:
    """`regenesis` with this machinery; options come as JSON in SCRIPTED_MACHINERY."""
    from flows.cli.main import main as run_command
    from flows.steps.edges import use_edges

    options = json.loads(os.environ.get("SCRIPTED_MACHINERY", "{}"))
    with use_edges(ScriptedMachinery(**options)):
        run_command()


if __name__ == "__main__":
    main()
