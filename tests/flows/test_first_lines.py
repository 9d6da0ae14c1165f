"""What does not fit together is said in a run's first lines, before anything is generated."""

from pathlib import Path

from flows.stages import synthesize
from flows.steps.edges import use_edges
from tests.fakes.scripted_machinery import ScriptedMachinery


class Listener:
    """A watcher that keeps the lines it is told, and the titles of steps among them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def step(self, title: str) -> None:
        self.lines.append(f"step: {title}")

    def update(
        self, done: int, total: int, note: str = "", seconds_left: float | None = None
    ) -> None: ...

    def close(self) -> None: ...


def test_answers_shorter_than_paths_are_said_before_the_first_path(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    listener = Listener()

    with use_edges(watcher=listener):
        synthesize(
            settings_toml=small + "\n[evaluation]\nsampling = { max_tokens = 16 }\n",
            budget_tokens=1,
        )

    warned = [
        place
        for place, line in enumerate(listener.lines)
        if "evaluation.sampling.max_tokens" in line
    ]
    first_step = next(
        place for place, line in enumerate(listener.lines) if line.startswith("step: ")
    )
    assert warned
    assert warned[0] < first_step
