"""What a user's SQL gives comes out as it is: by position, exact, of any type, and within its
limits.
"""

import csv
import io
import json
import threading
import time
from pathlib import Path as FilePath

import pyarrow.parquet as pq
import pytest

from storage.errors import InputError
from storage.open_store import open_store
from storage.sql.sandbox import Limits, print_user_sql, run_user_sql


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"duckdb:///{tmp_path_factory.mktemp('answers') / 'regenesis.duckdb'}"
    open_store(url)
    return url


TWINS = "SELECT 'path' AS text, 'structure' AS text, 1 AS \"Text\", 2 AS text_1"


def test_two_columns_of_one_name_both_come_out(url: str, tmp_path: FilePath) -> None:
    run_user_sql(url, TWINS, "parquet", out_file=tmp_path / "out.parquet")
    told_apart = {"text": "path", "text_1": "structure", "Text_2": 1, "text_1_1": 2}

    assert run_user_sql(url, TWINS, "csv") == "text,text,Text,text_1\npath,structure,1,2\n"
    assert run_user_sql(url, TWINS).splitlines()[2].split() == ["path", "structure", "1", "2"]
    assert json.loads(run_user_sql(url, TWINS, "json")) == [told_apart]
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [told_apart]


# a value, and how it is shown
EXACT = {
    "170141183460469231731687303715884105727::HUGEINT": "170141183460469231731687303715884105727",
    "sum(18446744073709551615::UBIGINT::HUGEINT)": "18446744073709551615",
    "340282366920938463463374607431768211455::UHUGEINT": "340282366920938463463374607431768211455",
    "12345678901234567890123456789::BIGNUM": "12345678901234567890123456789",
    "DATE 'infinity'": "infinity",
    "DATE '-infinity'": "-infinity",
    "'0044-03-15 (BC)'::DATE": "0044-03-15 (BC)",
    "'10000-01-01'::DATE": "10000-01-01",
    "DATE '2026-11-30'": "2026-11-30",
    "TIMESTAMP 'infinity'": "infinity",
    "'0044-03-15 (BC) 10:00:00'::TIMESTAMP": "0044-03-15 (BC) 10:00:00",
    "TIMESTAMPTZ '-infinity'": "-infinity",
    "TIMESTAMP '2026-11-30 01:02:03.5'": "2026-11-30T01:02:03.500000",
    "TIMESTAMP_NS '2026-11-30 01:02:03.123456789'": "2026-11-30 01:02:03.123456789",
    "TIMETZ '10:00:00+02'": "10:00:00+02",
    "TIME '24:00:00'": "24:00:00",
    "INTERVAL '1 month 3 days'": "1 month 3 days",
    "'101'::BIT": "101",
    "1::VARIANT": "1",
    "union_value(k := 5)": "5",
    "[DATE 'infinity']": "[infinity]",
    "1.50::DECIMAL(30, 2)": "1.50",
    "-1.50::DECIMAL(30, 2)": "-1.50",
    "'nan'::DOUBLE": "nan",
    "(1, 'a')": "(1, a)",
    "'a'::ENUM('a', 'b')": "a",
}


def test_every_type_is_shown_as_what_it_is(url: str) -> None:
    statement = "SELECT " + ", ".join(EXACT)
    _, found = csv.reader(io.StringIO(run_user_sql(url, statement, "csv")))
    [row] = json.loads(run_user_sql(url, statement, "json"), parse_constant=pytest.fail)

    # a text that begins as a formula would has an apostrophe in CSV
    assert dict(zip(EXACT, (text.removeprefix("'") for text in found), strict=True)) == EXACT
    assert dict(zip(EXACT, map(str, row.values()), strict=True)) == EXACT


def test_every_type_is_written_to_parquet(url: str, tmp_path: FilePath) -> None:
    statement = "SELECT " + ", ".join(f"{value} AS c{number}" for number, value in enumerate(EXACT))
    run_user_sql(url, statement, "parquet", out_file=tmp_path / "types.parquet")

    assert pq.read_metadata(tmp_path / "types.parquet").num_rows == 1


@pytest.mark.parametrize("output", ["table", "csv", "json", "parquet"])
def test_no_rows_and_many_rows_come_out_whole(url: str, tmp_path: FilePath, output: str) -> None:
    for count in (0, 5_000):
        (tmp_path / "rows").unlink(missing_ok=True)
        said = run_user_sql(
            url,
            f"SELECT range AS n, repeat('x', 2000) AS t FROM range({count})",
            output,
            out_file=tmp_path / "rows",
        )
        assert said == f"{count} rows written to {tmp_path / 'rows'}\n"
    if output == "parquet":
        assert pq.read_table(tmp_path / "rows", columns=["n"])["n"].to_pylist() == list(
            range(5_000)
        )
    elif output == "json":
        assert [row["n"] for row in json.loads((tmp_path / "rows").read_text())] == list(
            range(5_000)
        )


def test_an_order_is_kept_where_columns_become_text(url: str) -> None:
    text = run_user_sql(
        url, "SELECT range::UHUGEINT AS n FROM range(5000) ORDER BY range DESC", "csv"
    )

    assert text.split() == ["n", *map(str, range(4999, -1, -1))]


def test_a_file_that_is_not_finished_is_not_left(url: str, tmp_path: FilePath) -> None:
    statement = (
        "SELECT CASE WHEN range < 9000 THEN repeat('x', 1000) ELSE error('late') END FROM"
        " range(10000)"
    )
    for output in ("csv", "json", "parquet"):
        with pytest.raises(InputError, match="late"):
            run_user_sql(url, statement, output, out_file=tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


def test_an_error_while_rows_are_taken_is_not_called_a_time_out(url: str) -> None:
    def broken(text: str) -> None:
        raise ValueError(text)

    with pytest.raises(ValueError, match="n"):
        print_user_sql(url, "SELECT 1 AS n", broken, "csv")


# none of these may take much more than the 50 MB asked, here or in the child; the last must come
# out
LARGE = (
    "SELECT repeat('x', 1000000) AS t FROM range(600)",
    "SELECT repeat('x', 100000000) AS t",
    "SELECT array_agg(repeat('x', 100000)) AS l FROM range(3000)",
    "SELECT repeat('x', 100000) AS t FROM range(600)",
)


@pytest.mark.parametrize("output", ["json", "parquet"])
def test_memory_holds_in_the_child_and_here(url: str, tmp_path: FilePath, output: str) -> None:
    most = {"child": 0, "here": 0}
    with Measured(most):
        for statement in LARGE[:-1]:
            with pytest.raises(InputError, match=r"Out of Memory|A row may take"):
                run_user_sql(url, statement, output, Limits(memory="50MB"), tmp_path / "out")
        said = run_user_sql(url, LARGE[-1], output, Limits(memory="50MB"), tmp_path / "out")
    print(
        f"{output}: most {most['child'] >> 20} MiB in the child, {most['here'] >> 20} MiB more here"
    )

    assert said.startswith("600 rows")
    assert most["child"] < 700 << 20
    assert most["here"] < 250 << 20


class Measured:
    """The most resident memory meanwhile: of children that begin in it, and of this process beyond
    its own.
    """

    def __init__(self, most: dict[str, int]) -> None:
        self._most, self._over = most, threading.Event()
        self._began, self._others = (
            resident("self"),
            children(),
        )  # a server that other tests keep, for instance
        self._watch = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._over.is_set():
            self._most["here"] = max(self._most["here"], resident("self") - self._began)
            self._most["child"] = max(
                [self._most["child"], *map(resident, filter(is_sql, children() - self._others))]
            )
            time.sleep(0.01)

    def __enter__(self) -> None:
        self._watch.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()


def children() -> set[str]:
    return set(
        FilePath(f"/proc/self/task/{threading.main_thread().native_id}/children")
        .read_text()
        .split()
    )


def is_sql(process: str) -> bool:
    """Between fork and exec a child has this process's size, which other tests have made large."""
    try:
        return b"storage.sql.sandbox_child" in FilePath(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def resident(process: str) -> int:
    """Bytes; 0 for a process that is gone."""
    try:
        lines = FilePath(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS")), 0)


def test_disk_holds_and_what_was_spilled_is_gone(
    url: str, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    most = 0
    over = threading.Event()

    def look() -> None:
        nonlocal most
        while not over.is_set():
            files = [file for file in tmp_path.rglob("*") if file.is_file()]
            most = max(most, sum(file.stat().st_size for file in files if file.exists()))
            time.sleep(0.01)

    watch = threading.Thread(target=look)
    watch.start()
    try:
        with pytest.raises(InputError, match="Out of Memory"):
            run_user_sql(
                url,
                "SELECT range, md5(range::VARCHAR) AS t FROM range(10000000) ORDER BY t",
                "csv",
                Limits(memory="60MB", disk="30MB"),
            )
    finally:
        over.set()
        watch.join()
    print(f"most {most >> 20} MiB on disk of the 30 MB asked")

    assert most <= 32_000_000
    assert list(tmp_path.iterdir()) == []
    assert [
        file.name for file in FilePath(url.removeprefix("duckdb://")).parent.glob("*.tmp")
    ] == []
