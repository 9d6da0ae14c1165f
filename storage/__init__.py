"""The rows of every round from Python: what a notebook or a script may import.

docs/how-to/notebook.md shows how.

`open_store(url)` opens a store, `read_environment()` says which (`REGENESIS_HOME`,
`REGENESIS_STORE`), `Store` is its type, and `records` holds the type of each table's rows.
Everything else in this package may change without notice.
"""

from importlib import import_module
from typing import TYPE_CHECKING

# eager: a module that is imported later would take the place of its function of the same name
from storage.open_store import open_store

if TYPE_CHECKING:
    from storage import records
    from storage.environment import read_environment
    from storage.store.store import Store

__all__ = ["Store", "open_store", "read_environment", "records"]

_MODULES = {"Store": "storage.store.store", "read_environment": "storage.environment"}


def __getattr__(name: str) -> object:
    """The names whose modules load slowly, at their first use."""
    if name == "records":
        return import_module("storage.records")
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
