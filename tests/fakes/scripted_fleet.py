"""Scripted vLLM endpoints that know sums, and a machinery that asks them through the real client.

Run as a program it is the `regenesis` command with that machinery; the endpoints are those of
REGENESIS_ENDPOINTS.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

from storage.environment import Environment
from storage.ids import content_id
from storage.records import Adapter, Model
from tasks.engines.models.base_models import PreparedModel
from tasks.engines.server.client import OpenAIEngine, Patience
from tasks.settings import Settings
from tests.fakes.scripted_machinery import ScriptedMachinery
from tests.fakes.scripted_server import Body, Reply

_SUM = re.compile(r"What is (\d+) \+ (\d+)\?")
SMALL = """
[questions]
in_domain = ["{sums}"]
out_of_domain = ["other_{sums}"]
train_per_set = {train}
gate_per_set = 40
final_per_set = 4
[synthesis]
chains_per_question = 4
hinted_chains = 2
commit_seconds = 0.2
[training]
min_examples = 4
"""


def write_sums(folder: Path, name: str, first: int, count: int) -> Path:
    """A file of `count` sums that no other `first` has."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"question": f"What is {n} + {n + 1}?", "answer": str(2 * n + 1)}
        for n in range(first, first + count)
    ]
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def sums(delay_seconds: float = 0.0) -> Callable[[Body, int], Reply]:
    """The base is right two times in five, what was trained nine in ten; the seed decides which."""

    def answer(body: Body, number: int) -> Reply:
        prompt, model = "".join(map(chr, body.get("prompt", ()))), body.get("model", "")
        found = _SUM.findall(prompt)
        draw = content_id("fleet", model, prompt, body.get("seed", number)).int % 1000 / 1000
        right = draw < (0.4 if model == "scripted" else 0.9)
        total = sum(map(int, found[-1])) if found and right else 987654321
        text = f"Step {total} of {draw}. The answer is {total}."
        return Reply(text=text, tokens=len(text) // 4, delay_seconds=delay_seconds)

    return answer


class FleetMachinery(ScriptedMachinery):
    """Trains nothing; asks the environment's endpoints for whatever model is at work."""

    def serve(
        self,
        model: Model,
        base: PreparedModel,
        adapter: Adapter | None,
        settings: Settings,
        environment: Environment,
    ) -> "FleetOfOneModel":
        return FleetOfOneModel(model, environment)


class FleetOfOneModel:
    """Whichever model is asked for."""

    start_seconds = 0.0

    def __init__(self, model: Model, environment: Environment) -> None:
        self._model = model
        self._urls = environment.endpoints

    def answers_as(self, model: Model) -> bool:
        return model.id == self._model.id

    def change_to(self, model: Model, adapter: Adapter | None) -> bool:
        self._model = model
        return True

    def leaves_room(self) -> bool:
        return True

    def address(self) -> tuple[str, str, str]:
        return self._urls[0], self._model.name, ""

    def raw_tokens_per_second(self) -> float:
        return 0.0

    def engine(self, say: Callable[[str], None]) -> OpenAIEngine:
        return OpenAIEngine(
            self._urls, self._model.name, patience=Patience(max_retries=2), takes_seed=True
        )

    def close(self) -> None: ...


def main() -> None:
    """`regenesis` with this machinery."""
    from flows.cli.main import main as run_command
    from flows.steps.edges import use_edges

    with use_edges(FleetMachinery()):
        run_command()


if __name__ == "__main__":
    main()
