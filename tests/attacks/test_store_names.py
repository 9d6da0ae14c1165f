"""Whatever statement writes, aimed at the store's own files, is refused, and the store is as it
was.

DuckDB itself would let some through: the names of the file that is attached stay allowed when files
are shut off.
"""

import hashlib
from itertools import product
from pathlib import Path as FilePath

import duckdb
import pytest

from storage.errors import InputError
from storage.open_store import open_store
from storage.records import Path
from storage.sql.closed_process import opened
from storage.sql.sandbox import run_user_sql
from storage.sql.sql_check import Refused, checked
from tests.storage.examples import make

ENDINGS = ("", ".wal", ".wal.checkpoint", ".wal.recovery", ".tmp/spilled", ".part", ".spool/1")
EXPLAINED = (
    "",
    "EXPLAIN ",
    "EXPLAIN ANALYZE ",
    "explain /* */ analyze --x\n",
    "EXPLAIN (FORMAT json) ",
    "EXPLAIN (ANALYZE) ",
    "EXPLAIN EXPLAIN ",
    "EXPLAIN ANALYZE EXPLAIN ANALYZE ",
    "/* /* */ EXPLAIN ",
    "\u00a0EXPLAIN\u2003ANALYZE ",
    ";EXPLAIN ",
    "WITH x AS (SELECT 1) ",
)
WRITES = (
    "COPY (SELECT 1) TO '{name}' (FORMAT csv, USE_TMP_FILE false)",
    "COPY (SELECT 'x'::BLOB) TO '{name}' (FORMAT blob, USE_TMP_FILE false)",
    "COPY paths TO '{name}' (FORMAT parquet, USE_TMP_FILE false)",
    "COPY (SELECT 1) TO '{name}' (FORMAT json)",
    "COPY paths FROM '{name}'",
    "EXPORT DATABASE '{name}'",
    "ATTACH '{name}' AS other",
    "CREATE TABLE t AS FROM '{name}'",
    "INSERT INTO paths FROM '{name}'",
    "SET temp_directory = '{name}'",
    "PRAGMA profiling_output = '{name}'",
    "SELECT * FROM read_blob('{name}')",
    "SELECT * FROM '{name}'",
    "PREPARE p AS COPY (SELECT 1) TO '{name}' (USE_TMP_FILE false)",
    "EXECUTE p",
)


@pytest.fixture(scope="module", params=["file", "lake"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, FilePath]:
    """A store's URL, and the name of its file or catalogue."""
    folder = tmp_path_factory.mktemp("names")
    name = folder / ("regenesis.duckdb" if request.param == "file" else "catalog.sqlite")
    url = (
        f"duckdb:///{name}"
        if request.param == "file"
        else f"ducklake:sqlite:///{name}?data={folder / 'data'}"
    )
    open_store(url).append([make(Path, 1), make(Path, 2)])
    opened(url).connection.close()  # which makes the copy of a file that is read
    return url, name


def statements(name: FilePath) -> list[str]:
    targets = [f"{name}{ending}" for ending in ENDINGS] + [
        f"{name.parent}/reader.duckdb",
        f"{name.parent}/data/x.parquet",
    ]
    return [
        explained + write.format(name=target)
        for explained, write, target in product(EXPLAINED, WRITES, targets)
    ]


def test_every_statement_that_writes_or_reads_the_store_s_files_is_refused(
    place: tuple[str, FilePath],
) -> None:
    with duckdb.connect() as connection:
        for statement in statements(place[1]):
            with pytest.raises(Refused) as refused:
                checked(connection, statement, "regenesis")
            assert str(refused.value)


@pytest.mark.parametrize("ending", ENDINGS)
def test_explain_analyze_copy_over_the_store_is_one_line_and_changes_nothing(
    place: tuple[str, FilePath], ending: str
) -> None:
    url, name = place
    before = digest(name.parent)

    with pytest.raises(InputError) as refused:
        run_user_sql(
            url,
            f"EXPLAIN ANALYZE COPY (SELECT 1) TO '{name}{ending}' (FORMAT csv, USE_TMP_FILE false)",
        )

    assert "Only SELECT" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert digest(name.parent) == before
    assert len(open_store(url).select(Path)) == 2


def digest(folder: FilePath) -> dict[str, str]:
    """Of every file of a store, but the catalogue's own logs, which come and go."""
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "catalog.sqlite-" not in file.name
    }
