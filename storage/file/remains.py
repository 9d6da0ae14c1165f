"""What is left of a store that is gone: an empty one in its place would be taken for it.

Not counted are the locks (`.gate`, `.lock`, `run.lock`) and `.making.part`: the first making of a
store leaves them when it is killed, and must be able to go on. Everything else below is made only
when there is a store.
"""

import re
from pathlib import Path

from storage.errors import InputError
from storage.file.reader_copy import USUAL_NAME, reader_of


def refuse_where_one_was_lost(path: Path) -> None:
    """Raise InputError where a store lay at `path`, which is not there now."""
    left = remains_of(path)
    if left:
        more = f" (and {len(left) - 1} more files)" if len(left) > 1 else ""
        raise InputError(
            f"A store lay at {str(path)!r} and is gone; {str(left[0])!r} is left of it{more}. Put"
            " the file back, or a copy of it (regenesis storage restore FILE: a backup, a copy"
            " from before a change, reader.duckdb); or, to begin anew, move what is left away or"
            " name another store."
        )


def remains_of(path: Path) -> list[Path]:
    """Files that only a store at `path` can have left, beside it and among its home's backups."""
    ours = _names_beside(path)
    try:
        beside = [one for one in sorted(path.parent.iterdir()) if ours.fullmatch(one.name)]
    except FileNotFoundError:
        return []
    return beside + (_in_home(path.parent) if path.name == USUAL_NAME else [])


def _names_beside(path: Path) -> re.Pattern[str]:
    name, reader = re.escape(path.name), re.escape(reader_of(path).name)
    stem, ending = re.escape(path.stem), re.escape(path.suffix)
    return re.compile(
        # DuckDB's log and spilled rows; batches of a version before; the lock of who draws
        # questions: regenesis.duckdb.wal
        rf"{name}\.(?:wal(?:\.checkpoint|\.recovery)?|tmp|spool|drawing)"
        # regenesis.duckdb.before-restore-20261130-063000, regenesis.before-schema-5-2.duckdb
        rf"|{name}\.before-restore-.+"
        rf"|{stem}\.before-schema-\d+(?:-\d+)?{ending}(?:-\d+)?(?:\.part)?"
        # reader.duckdb and what a client wrote into it; .reader.duckdb.4711-99.part
        rf"|{reader}(?:\.wal)?|\.{reader}\.\d+-\d+\.part(?:\.wal)?"
        # a restore, a compaction, a copy to read from: .regenesis.duckdb.restore.part
        rf"|\.{name}\.(?:restore(?:\.copy)?|\d+-\d+)\.part(?:\.wal)?"
        # the note of a restore that was interrupted
        rf"|\.{name}\.restore\.json(?:\.part)?"
        rf"|\.?{name}\.compact\.part(?:\.wal)?"  # without the dot of a version before
    )


def _in_home(home: Path) -> list[Path]:
    """Backups tell of the usual store of a home, not of a second one.

    Adapters tell of none: they may be a lake's, which can be moved back into the usual file.
    """
    return sorted((home / "backups").glob("*.duckdb"))
