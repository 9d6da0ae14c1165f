"""Rows of a data set on the hub or in a folder like one, by `datasets`; its code is never run."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from storage.errors import InputError
from tasks.ingestion.question_files import RowSource
from tasks.ingestion.raw_rows import RawRow


def hub_source(name: str, config: str = "") -> RowSource:
    """All splits of `owner/name`, each row with its split's name.

    Raises InputError where they cannot be had.
    """
    is_folder = Path(name).expanduser().is_dir()
    if not is_folder and name.count("/") != 1:
        raise InputError(
            f"--hub takes owner/name on the hub, or a folder laid out like one; found {name!r}."
        )
    rows = [row for split, found in _loaded(name, config).items() for row in _rows_of(split, found)]
    digest = hashlib.sha256()
    for row in rows:
        # of the rows and not of the files: the same rows in other files are the same set
        digest.update(json.dumps(row, default=repr, sort_keys=True).encode())
    origin = Path(name).name if is_folder else f"https://huggingface.co/datasets/{name}"
    shown = f"{Path(name).name if is_folder else name}{f' ({config})' if config else ''}"
    return RowSource(shown, origin, digest.hexdigest(), enumerate(rows, start=1))


def _loaded(name: str, config: str) -> dict[str, Any]:
    elsewhere = (
        "Where the hub can't be reached: download its files elsewhere, and name one, or their"
        " folder."
    )
    try:
        import datasets
        from datasets.exceptions import DatasetsError
    except ImportError as error:
        raise InputError(
            f"--hub needs the package datasets, which is not installed here. {elsewhere}"
        ) from error
    datasets.disable_progress_bars()
    try:
        found: Any = datasets.load_dataset(
            str(Path(name).expanduser()) if Path(name).is_dir() else name, config or None
        )
    except (OSError, ValueError, DatasetsError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [
            type(error).__name__
        ]
        which = " Name it with --config." if "config" in str(error).lower() else ""
        raise InputError(
            f"{name!r} could not be loaded: {' '.join(lines)[:300].rstrip('.')}.{which} {elsewhere}"
        ) from error
    return cast("dict[str, Any]", found)


def _rows_of(split: str, found: Any) -> Iterator[RawRow]:
    for row in found:
        yield cast("RawRow", row) if "split" in row else {**row, "split": split}
