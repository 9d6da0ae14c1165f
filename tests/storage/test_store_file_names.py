"""A store's file of any name: it works in all that is done with a store, or nothing is made."""

from datetime import UTC, datetime
from pathlib import Path as FilePath

import pytest

from storage.care.backups import back_up, restore
from storage.care.check_and_gc import compact
from storage.environment import Environment
from storage.errors import InputError
from storage.file.database import DUCKDBS_OWN
from storage.open_store import open_store
from storage.records import Path
from storage.sql.sandbox import run_user_sql
from tests.storage.examples import make

# DuckDB's own words, names that our modules give to what they attach, what SQL quotes, and length
WORK = (
    "store.duckdb",
    "other_file",
    "compacted.duckdb",
    'select a;-- it\'s "said" käse 数据\nline.duckdb',
    "x" * 150,
)
LONG = ("x" * 200, "ä" * 100, "x" * 250, "x" * 300)
REFUSED = (
    *DUCKDBS_OWN,
    *map(str.title, DUCKDBS_OWN),
    *map(str.upper, DUCKDBS_OWN),
    *LONG,
    "\udcff",
)


def test_a_store_of_any_name_is_written_read_asked_backed_up_rewritten_and_restored(
    tmp_path: FilePath,
) -> None:
    for number, name in enumerate(WORK):
        home = tmp_path / str(number)
        url = f"duckdb:///{home / name}"
        store = open_store(url)
        store.append([make(Path, 1)])

        assert run_user_sql(url, "SELECT count(*) AS n FROM paths", "csv").split() == ["n", "1"]
        backup = back_up(store, home, home / "wh?t" / "back?up.duckdb")
        compact(store)
        store.append([make(Path, 2)])
        restore(Environment(home, url, (), None), backup, datetime.now(UTC))

        assert len(open_store(url).select(Path)) == 1, name


@pytest.mark.parametrize("ending", [".duckdb", ""])
def test_a_name_that_can_not_work_is_refused_in_one_line_before_anything_is_made(
    tmp_path: FilePath, ending: str
) -> None:
    for name in REFUSED:
        with pytest.raises(InputError, match=r"^A store's (file|path).*; found .*Name another\.$"):
            open_store(f"duckdb:///{tmp_path / 'home' / f'{name}{ending}'}")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["main", "memory", "pg_catalog"])
def test_a_store_that_has_such_a_name_already_is_asked_all_the_same(
    tmp_path: FilePath, name: str
) -> None:
    open_store(f"duckdb:///{tmp_path / 'a.duckdb'}").append([make(Path, 1)])
    (tmp_path / "a.duckdb").rename(tmp_path / f"{name}.duckdb")

    url = open_store(f"duckdb:///{tmp_path / f'{name}.duckdb'}").url

    assert run_user_sql(url, "SELECT count(*) AS n FROM paths", "csv").split() == ["n", "1"]
