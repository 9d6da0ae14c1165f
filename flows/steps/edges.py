"""What a run uses besides its parameters: the machinery that answers and trains, and who watches.

A flow's parameters are JSON, which holds neither. Whoever calls a flow with others than the usual
ones does it within `use_edges`: the command line brings its watcher, tests bring both.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from flows.steps.machinery import LocalMachinery, Machinery
from flows.steps.progress import Watcher, choose_watcher


@dataclass(frozen=True)
class Edges:
    """The machinery of a run, and its watcher; a run without a watcher chooses one for itself."""

    machinery: Machinery
    watcher: Watcher | None = None

    def watching(self) -> Watcher:
        """The watcher given, or a new one that fits standard error."""
        return self.watcher or choose_watcher()


_LOCAL = Edges(LocalMachinery())
_AT_WORK = ContextVar("edges", default=_LOCAL)


def edges_at_work() -> Edges:
    """Those of the innermost `use_edges` block, or this machine's own."""
    return _AT_WORK.get()


@contextmanager
def use_edges(
    machinery: Machinery | None = None, watcher: Watcher | None = None
) -> Generator[None]:
    """Within the block runs use these; what is not given stays as it is around the block."""
    around = _AT_WORK.get()
    token = _AT_WORK.set(Edges(machinery or around.machinery, watcher or around.watcher))
    try:
        yield
    finally:
        _AT_WORK.reset(token)
