"""A user's SQL: what it may, what it may not, and that nothing it shows can harm a terminal or a
spreadsheet.
"""

import csv
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path as FilePath

import pyarrow.parquet as pq
import pytest

from storage.errors import InputError
from storage.open_store import Store, open_store
from storage.records import Path, Round
from storage.sql.sandbox import Limits, run_user_sql, schema_text
from storage.views import all_views
from tests.storage.examples import make


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_store(
        f"duckdb:///{tmp_path_factory.mktemp('sql') / 'regenesis.duckdb'}", busy_seconds=0.05
    )
    evil = "\x1b[31mred\x07 \u202eesrever"
    store.append([make(Path, 1, text=evil), make(Path, 2, text="=1+1"), make(Round, 1, number=1)])
    return store


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM paths",
        "DROP TABLE paths",
        "CREATE TABLE t(i INT)",
        "COPY paths TO '{folder}/out.csv'",
        "ATTACH '{folder}/other.duckdb'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "PRAGMA enable_profiling",
        "CHECKPOINT",
        "SELECT 1; DROP TABLE paths",
        "",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_parquet('https://example.org/x.parquet')",
        "SELECT * FROM statement",
        "EXPLAIN ANALYZE COPY paths TO '{folder}/out.csv'",
        "EXPLAIN ANALYZE DELETE FROM paths",
    ],
)
def test_what_does_more_than_read_is_refused(
    store: Store, tmp_path: FilePath, statement: str
) -> None:
    with pytest.raises(InputError) as refused:
        run_user_sql(store.url, statement.format(folder=tmp_path))

    assert str(refused.value)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    assert len(store.select(Path)) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "WITH p AS (FROM lineage) SELECT count(*) FROM p",
        "DESCRIBE paths",
        "SUMMARIZE rounds",
        "EXPLAIN SELECT 1",
    ],
)
def test_what_reads_runs(store: Store, statement: str) -> None:
    assert "rows)" in run_user_sql(store.url, statement)


def test_a_refusal_says_what_may_run(store: Store) -> None:
    with pytest.raises(InputError, match=r"Only SELECT, WITH, .* may run here; found DELETE"):
        run_user_sql(store.url, "DELETE FROM paths")


def test_a_file_is_out_of_reach_and_it_says_so(store: Store) -> None:
    with pytest.raises(InputError, match=r"read_csv.* is out of reach .* files"):
        run_user_sql(store.url, "SELECT * FROM read_csv('/etc/passwd')")


def test_a_table_shows_control_characters_rather_than_sending_them(store: Store) -> None:
    shown = run_user_sql(store.url, "SELECT text FROM paths ORDER BY text")

    assert "\\x1b[31mred\\x07 \\u202eesrever" in shown
    assert not set(shown) & {"\x1b", "\x07", "\u202e"}


def test_csv_holds_no_formula_and_json_reads_back(store: Store) -> None:
    rows = list(
        csv.reader(
            io.StringIO(
                run_user_sql(store.url, "SELECT text, -1 AS n FROM paths ORDER BY 1", "csv")
            )
        )
    )
    [whole] = json.loads(
        run_user_sql(
            store.url, "SELECT id, text, [1, 2] AS l FROM paths WHERE text = '=1+1'", "json"
        )
    )

    assert rows[2] == ["'=1+1", "-1"]
    assert whole == {"id": str(make(Path, 2).id), "text": "=1+1", "l": [1, 2]}


def test_sums_are_whole_numbers(store: Store) -> None:
    assert json.loads(run_user_sql(store.url, "SELECT sum(draw) AS n FROM paths", "json")) == [
        {"n": 0}
    ]


def test_files_are_written_whole(store: Store, tmp_path: FilePath) -> None:
    said = run_user_sql(
        store.url, "SELECT text FROM paths", "parquet", out_file=tmp_path / "out.parquet"
    )

    assert said.startswith("2 rows written to")
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 2
    assert [file.name for file in tmp_path.iterdir()] == ["out.parquet"]


def test_a_slow_statement_is_stopped(store: Store) -> None:
    with pytest.raises(InputError, match=r"longer than 0\.5 s and was stopped"):
        run_user_sql(
            store.url,
            "SELECT sum(sin(a.range * b.range)) FROM range(9999999) a, range(999999) b",
            limits=Limits(timeout_seconds=0.5),
        )


def test_a_statement_with_too_much_memory_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="Out of Memory"):
        run_user_sql(
            store.url, "SELECT list(range) FROM range(90000000)", limits=Limits(memory="50MB")
        )


def test_a_wrong_column_is_explained_in_one_line(store: Store) -> None:
    with pytest.raises(InputError, match='column "nummer" not found'):
        run_user_sql(store.url, "SELECT nummer FROM rounds")


def test_long_results_are_cut_and_say_so(store: Store) -> None:
    assert run_user_sql(store.url, "SELECT * FROM range(5000)").endswith("(1000 first rows)\n")


def test_it_sees_every_acknowledged_row_whatever_copy_was_there_before(tmp_path: FilePath) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}")
    store.refresh_reader()
    for n in range(1, 4):
        store.append([make(Path, n)])
        assert f"\n{n}\n" in run_user_sql(store.url, "SELECT count(*) AS n FROM lineage")


def test_a_long_statement_keeps_no_writer_waiting(tmp_path: FilePath) -> None:
    impatient = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}", busy_seconds=0.05)
    endless = "SELECT count(*) FROM range(100000000) a, range(100000) b"
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(
            run_user_sql, impatient.url, endless, limits=Limits(timeout_seconds=4)
        )
        written = 0
        while not asked.done():
            written += impatient.append([make(Path, ("beside", written))])
        assert written > 20
        with pytest.raises(InputError, match="took longer than 4 s"):
            asked.result()


def test_it_works_while_a_round_writes(tmp_path: FilePath) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'busy.duckdb'}")
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            store.append([make(Path, number)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        shown = [
            run_user_sql(store.url, "SELECT count(*) AS n FROM paths", "json") for _ in range(3)
        ]
    finally:
        done.set()
        writer.join()

    counts = [json.loads(text)[0]["n"] for text in shown]
    assert counts == sorted(counts)


def test_the_schema_text_names_every_view_column() -> None:
    text = schema_text()

    for view in all_views():
        assert f"view {view.name}: {view.comment}" in text
        assert all(f"    {column} " in text for column in view.columns)


@pytest.mark.parametrize("statement", ["SELECT '\ud800'", "\udcff", "SELECT 1 -- \udc80x"])
def test_half_a_character_in_a_statement_is_one_clear_line(store: Store, statement: str) -> None:
    with pytest.raises(
        InputError, match=r"^A statement is text in UTF-8; found .* character \d+\.$"
    ):
        run_user_sql(store.url, statement)
