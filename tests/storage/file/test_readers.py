"""One DuckDB per process and store reads the file for moments, and holds it between none."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from storage.file import readers
from storage.file.database import DatabaseFile

WRITES = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('INSERT INTO numbers VALUES (2)')"


@pytest.fixture
def file(tmp_path: Path) -> DatabaseFile:
    path = tmp_path / 'it\'s a "store".duckdb'
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT 1 AS n")
    return DatabaseFile(path, busy_seconds=1.0)


def numbers(connection: duckdb.DuckDBPyConnection) -> list[int]:
    return [n for (n,) in connection.execute("SELECT n FROM numbers ORDER BY n").fetchall()]


def written_by_another(file: DatabaseFile) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", WRITES, file.path], capture_output=True, check=False
    )
    return done.returncode == 0


def test_between_two_reads_another_process_writes_and_the_second_sees_it(
    file: DatabaseFile,
) -> None:
    with file.reading() as connection:
        assert numbers(connection) == [1]
        assert not written_by_another(file)

    assert written_by_another(file)
    with file.reading() as connection:
        assert numbers(connection) == [1, 2]


def test_a_read_that_fails_in_a_transaction_lets_go_of_the_file(file: DatabaseFile) -> None:
    with file.reading() as connection:
        connection.begin()
        with pytest.raises(duckdb.Error):
            connection.execute("SELECT * FROM nowhere")

    assert written_by_another(file)


def test_a_result_that_nobody_fetched_does_not_hold_the_file(file: DatabaseFile) -> None:
    with file.reading() as connection:
        unread = connection.execute("SELECT range FROM range(1_000_000), numbers")

    assert written_by_another(file)
    del unread


def test_reads_within_reads_see_the_same_file(file: DatabaseFile) -> None:
    with file.reading() as outer:
        with file.reading() as inner:
            assert numbers(inner) == [1]
        assert numbers(outer) == [1]


def test_nothing_is_written_by_a_read(file: DatabaseFile) -> None:
    with pytest.raises(duckdb.InvalidInputException), file.reading() as connection:
        connection.execute("INSERT INTO numbers VALUES (3)")


def test_a_file_that_was_put_in_its_place_is_read(file: DatabaseFile, tmp_path: Path) -> None:
    with file.reading():
        pass
    with duckdb.connect(tmp_path / "other.duckdb") as connection:
        connection.execute("CREATE TABLE numbers AS SELECT 7 AS n")
    os.replace(tmp_path / "other.duckdb", file.path)

    with file.reading() as connection:
        assert numbers(connection) == [7]


def test_a_forked_child_reads_with_a_duckdb_of_its_own(file: DatabaseFile) -> None:
    with file.reading():
        pass

    child = os.fork()
    if child == 0:
        with file.reading() as connection:
            os._exit(0 if numbers(connection) == [1] else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_of_many_stores_few_are_kept(tmp_path: Path) -> None:
    for number in range(5):
        path = tmp_path / f"{number}.duckdb"
        duckdb.connect(path).close()
        with DatabaseFile(path, busy_seconds=1.0).reading():
            pass

    assert len(readers._readers) == 2


class Interrupted:
    """A DuckDB whose statement is done when the signal's exception comes, as Python does it."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, after: str) -> None:
        self.engine, self.after = engine, after

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        done = self.engine.execute(sql)
        if sql.startswith(self.after):
            self.after = "nothing more"
            raise KeyboardInterrupt
        return done

    def cursor(self) -> "Interrupted":
        return Interrupted(self.engine.cursor(), self.after)

    def close(self) -> None:
        self.engine.close()


@pytest.mark.parametrize("after", ["ATTACH", "USE", "DETACH"])
def test_a_signal_in_the_midst_of_a_read_leaves_nothing_held(
    file: DatabaseFile, after: str
) -> None:
    with file.reading() as connection:
        numbers(connection)
    reader = readers._readers[file.path]
    whole = reader.engine
    reader.engine = Interrupted(whole, after)  # type: ignore[assignment]

    with pytest.raises(KeyboardInterrupt), file.reading():
        pass

    reader.engine = whole
    assert reader.depth == 0
    assert written_by_another(file)
    with file.reading() as connection:
        assert numbers(connection) == [1, 2]
