"""`--out` writes a new file of rows and touches nothing that is there; text comes out whole."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path as FilePath

import pytest

from storage.errors import InputError
from storage.open_store import open_store
from storage.records import Path
from storage.sql.sandbox import first_rows, print_user_sql, run_user_sql
from tests.storage.examples import make

OUTPUTS = ("table", "csv", "json", "parquet")


@pytest.fixture
def url(tmp_path: FilePath) -> str:
    store = open_store(f"duckdb:///{tmp_path}/regenesis.duckdb")
    store.append([make(Path, "one")])
    run_user_sql(store.url, "SELECT 1")  # leaves the reader copy beside it
    return store.url


def contents(folder: FilePath) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@pytest.mark.parametrize("output", OUTPUTS)
def test_no_file_that_is_there_is_replaced(tmp_path: FilePath, url: str, output: str) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere")
    before = contents(tmp_path)

    for name in [*before, "link.csv"]:
        with pytest.raises(InputError, match=r"not replaced|are written to a file named"):
            run_user_sql(url, "SELECT 1 AS x", output, out_file=tmp_path / name)

    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "ending", [".duckdb", ".duckdb.wal", ".wal", ".gate", ".lock", ".db", ".sqlite", ".csv.part"]
)
def test_no_new_file_gets_a_name_that_a_store_would_open(
    tmp_path: FilePath, url: str, ending: str
) -> None:
    for stem in ("regenesis", "reader", "catalog", "mlflow", "new"):
        target = tmp_path / "other" / f"{stem}{ending}"
        target.parent.mkdir(exist_ok=True)
        with pytest.raises(InputError, match="are written to a file named"):
            run_user_sql(url, "SELECT 1 AS x", "csv", out_file=target)
        assert list(target.parent.iterdir()) == []


def test_a_file_of_somebody_elses_with_our_partial_ending_stays(
    tmp_path: FilePath, url: str
) -> None:
    (tmp_path / "o.csv.part").write_text("mine")

    run_user_sql(url, "SELECT 1 AS x", "csv", out_file=tmp_path / "o.csv")

    assert (tmp_path / "o.csv.part").read_text() == "mine"
    assert (tmp_path / "o.csv").read_text() == "x\n1\n"


@pytest.mark.parametrize("letter", ["€", "é", "𝄞", "x"])
def test_a_long_text_comes_out_whole_whatever_its_letters(url: str, letter: str) -> None:
    for before in range(len(letter.encode())):
        told: list[str] = []
        statement = f"SELECT repeat('a', {before}) || repeat('{letter}', 1500000) AS x"
        print_user_sql(url, statement, told.append, "csv")
        assert "".join(told) == "x\n" + "a" * before + letter * 1_500_000 + "\n"


def test_a_page_never_holds_a_row_that_it_does_not_show(url: str) -> None:
    with pytest.raises(InputError, match="rows of at most 4 MiB"):
        first_rows(url, "SELECT repeat(chr(1), 20000000) AS x", 100)

    rows, more = first_rows(url, "SELECT range AS n FROM range(5)", 3)
    assert (rows, more) == ([{"n": 0}, {"n": 1}, {"n": 2}], True)


def test_the_process_of_a_statement_dies_with_whoever_asked(url: str, tmp_path: FilePath) -> None:
    asks = (
        "import sys; from storage.sql.sandbox import run_user_sql\n"
        "run_user_sql(sys.argv[1], 'SELECT count(*) FROM range(10000000000) a, range(9) b')"
    )
    asking = subprocess.Popen([sys.executable, "-c", asks, url])
    deadline = time.monotonic() + 60
    children: list[int] = []
    while not children and time.monotonic() < deadline:
        time.sleep(0.2)
        children = _children(asking.pid)
    time.sleep(3)  # it has begun by then, or dies while it begins

    asking.send_signal(signal.SIGKILL)
    asking.wait()

    while any(map(_lives, children)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert children
    assert not any(map(_lives, children))


def _children(pid: int) -> list[int]:
    file = FilePath(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in file.read_text().split()] if file.exists() else []


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in FilePath(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
