"""MLflow's empty tables, made once per process by MLflow and copied to each home.

Its migrations take two seconds per home; tests/storage/test_mlflow_tracking.py holds how a home
gets its own.
"""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from storage import mlflow_tracking

# the product's own, which tests of a disk that fills keep
made = mlflow_tracking._make_whole  # pyright: ignore[reportPrivateUsage]


def copied(file: Path, artifacts: Path) -> None:
    """In place of `_make_whole`.

    The experiment, whose folder is the home's, is made when the copy is opened.
    """
    if not file.exists():
        shutil.copyfile(Path(_folder().name) / "mlflow.db", file)


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    folder = tempfile.TemporaryDirectory(prefix="mlflow-tables-")
    file = Path(folder.name) / "mlflow.db"
    made(file, file.parent)
    with closing(sqlite3.connect(file)) as tables:
        tables.execute("DELETE FROM experiments WHERE name <> 'Default'")
        tables.commit()
    return folder
