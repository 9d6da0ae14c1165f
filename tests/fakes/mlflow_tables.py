"""MLflow's empty tables, made once per process by MLflow and copied to each home: its migrations
take two seconds per home, and tests/storage/test_mlflow_tracking.py holds how a home gets its own.
"""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from storage import mlflow_tracking

_make = mlflow_tracking._make_whole  # pyright: ignore[reportPrivateUsage]


def copied(file: Path, artifacts: Path) -> None:
    """In place of `_make_whole`: the experiment, whose folder is the home's, is made by whoever
    opens the copy.
    """
    if not file.exists():
        shutil.copyfile(Path(_folder().name) / "mlflow.db", file)


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    folder = tempfile.TemporaryDirectory(prefix="mlflow-tables-")
    file = Path(folder.name) / "mlflow.db"
    _make(file, file.parent)
    with closing(sqlite3.connect(file)) as tables:
        tables.execute("DELETE FROM experiments WHERE name <> 'Default'")
        tables.commit()
    return folder
