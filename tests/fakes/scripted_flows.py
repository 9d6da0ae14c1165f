"""The flow `improve` on scripted machinery, for a worker.

What it does is read at each run from a file of the home.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flows import improve as product
from flows.steps.edges import use_edges
from storage.environment import Environment, read_environment
from storage.errors import InputError
from storage.records import Adapter, Model
from tasks.engines.models.base_models import PreparedModel
from tasks.settings import Settings
from tests.fakes.scripted_engine import Answer, Asked, ScriptedEngine
from tests.fakes.scripted_machinery import ScriptedMachinery, ScriptedServer

P = ParamSpec("P")
T = TypeVar("T")
CONTROL, ASKED = "scripted.json", "asked-seeds.txt"


class ControlledMachinery(ScriptedMachinery):
    """`delay` and shares as in ScriptedMachinery; `broken`, if given, is why no server comes up."""

    def __init__(self, broken: str = "", **options: float) -> None:
        super().__init__(**options)
        self._broken = broken

    def serve(
        self,
        model: Model,
        base: PreparedModel,
        adapter: Adapter | None,
        settings: Settings,
        environment: Environment,
    ) -> "NotedServer":
        if self._broken:
            raise InputError(self._broken)
        return NotedServer(self, model, environment)


class NotedServer(ScriptedServer):
    """Notes the seed of every request in a file of the home.

    What is answered twice was paid for twice.
    """

    def engine(self, say: Callable[[str], None]) -> ScriptedEngine:
        engine = super().engine(say)
        script, file = engine.script, read_environment().home / ASKED

        def noted(asked: Asked) -> Answer:
            with file.open("a", encoding="utf-8") as log:
                log.write(f"{asked.seed}\n")
            return script(asked)

        engine.script = noted
        return engine


def _controlled() -> ControlledMachinery:
    file = read_environment().home / CONTROL
    return ControlledMachinery(**json.loads(file.read_text("utf-8")) if file.is_file() else {})


def _on_scripted_machinery(run: Callable[P, T]) -> Callable[P, T]:
    @wraps(run)
    def scripted(*args: P.args, **kwargs: P.kwargs) -> T:
        with use_edges(_controlled()):
            return run(*args, **kwargs)

    return scripted


# A flow of its own: the product's stays what it is for whoever imports this module's names.
improve = product.improve.with_options()
improve.fn = _on_scripted_machinery(product.improve.fn)
__all__ = ["improve"]
