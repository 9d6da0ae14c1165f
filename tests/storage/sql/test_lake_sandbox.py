"""User SQL on a lake.

It reads tables and views, and nothing that reaches its files, catalogue, server or settings.
"""

import json
from contextlib import closing
from pathlib import Path as FilePath

import duckdb
import pytest

from storage.errors import InputError
from storage.open_store import open_store
from storage.records import Adapter, Path, TrainingSet
from storage.sql.closed_process import opened, shut
from storage.sql.sandbox import run_user_sql
from storage.sql.sql_check import Refused, checked
from tests.conftest import empty_store
from tests.fakes.postgres import Postgres
from tests.storage.examples import make, uid


@pytest.fixture(scope="module", params=["lake", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    url = empty_store(request, request.param, tmp_path_factory.mktemp("sandbox"))
    open_store(url).append([make(Path, n, text=f"text {n}") for n in range(3)])
    return url


@pytest.fixture(scope="module")
def lake_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    url = empty_store(request, "lake", tmp_path_factory.mktemp("refused"))
    open_store(url).append([make(Path, n) for n in range(2)])
    return url


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) AS n FROM lineage",
        "WITH p AS (FROM paths) SELECT count(*) AS n FROM p",
        "SELECT count(*) AS n FROM main.paths",
        "SELECT count(*) AS n FROM regenesis.main.paths",
        "SELECT sum(i) AS n FROM range(3) AS t(i)",
    ],
)
def test_what_reads_runs(url: str, statement: str) -> None:
    assert json.loads(run_user_sql(url, statement, "json")) == [{"n": 3}]


@pytest.mark.parametrize(
    "statement",
    [
        "DESCRIBE paths",
        "SHOW TABLES",
        "SUMMARIZE rounds",
        "EXPLAIN FROM paths",
        "EXPLAIN ANALYZE SELECT count(*) FROM lineage",
    ],
)
def test_what_describes_runs(lake_url: str, statement: str) -> None:
    assert "rows)" in run_user_sql(lake_url, statement)


REFUSED = [
    "INSERT INTO paths SELECT * FROM paths",
    "DELETE FROM paths",
    "DROP VIEW lineage",
    "CREATE TABLE t (x INT)",
    "COPY (SELECT 1) TO '{folder}/data/out.parquet'",
    "EXPLAIN ANALYZE COPY paths TO '{folder}/data/out.csv'",
    "ATTACH '{folder}/other.duckdb'",
    "INSTALL spatial",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "PRAGMA enable_profiling",
    "SET profiling_output = '{folder}/data/profile.json'",
    "CALL ducklake_snapshots('regenesis')",
    "SELECT 1; SELECT 2",
    "",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_parquet('https://example.org/x.parquet')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('paths')",
    "SELECT * FROM sqlite_scan('{folder}/catalog.sqlite', 'ducklake_table')",
    "SELECT * FROM sqlite_query('__ducklake_metadata_regenesis', 'SELECT 1')",
    (
        "SELECT * FROM postgres_query('__ducklake_metadata_regenesis', 'SELECT"
        " pg_read_file(''/etc/hostname'')')"
    ),
    "SELECT * FROM postgres_execute('__ducklake_metadata_regenesis', 'DROP TABLE ducklake_table')",
    "SELECT * FROM postgres_scan('host=localhost', 'public', 'x')",
    "SELECT (SELECT max(name) FROM duckdb_secrets())",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM duckdb_databases",
    "SELECT * FROM system.main.duckdb_databases",
    "SELECT * FROM pragma_database_list",
    "PRAGMA database_list",
    "SELECT * FROM duckdb_settings()",
    "SELECT current_setting('s3_secret_access_key')",
    "SELECT * FROM ducklake_list_files('regenesis', 'paths')",
    "SELECT * FROM __ducklake_metadata_regenesis.ducklake_data_file",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "EXPLAIN SELECT * FROM duckdb_databases()",
    "EXPLAIN ANALYZE SELECT * FROM read_text('/etc/passwd')",
    "FROM paths WHERE text IN (SELECT path FROM duckdb_databases())",
    "DESCRIBE (FROM duckdb_secrets())",
    "WITH x AS MATERIALIZED (SELECT * FROM which_secret('s3://a', 's3')) FROM x",
    "/* EXPLAIN */ SELECT * FROM duckdb_databases()",
]


def test_whatever_does_more_than_read_is_refused(lake_url: str) -> None:
    folder = FilePath(lake_url.removeprefix("ducklake:sqlite:///").partition("?")[0]).parent
    before = files_in(folder)
    store = opened(lake_url)
    shut(store)
    connection = store.connection

    with closing(connection):
        for statement in REFUSED:
            with pytest.raises((Refused, duckdb.Error)):
                asked(connection, statement.format(folder=folder))

    assert files_in(folder) == before
    assert len(open_store(lake_url).select(Path)) == 2


def asked(connection: duckdb.DuckDBPyConnection, statement: str) -> object:
    return connection.execute(checked(connection, statement, "regenesis")).fetchall()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM paths",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM duckdb_databases()",
        "SELECT nothing FROM paths",
    ],
)
def test_a_refusal_is_one_line(lake_url: str, statement: str) -> None:
    with pytest.raises(InputError) as refused:
        run_user_sql(lake_url, statement)

    assert str(refused.value)
    assert "\n" not in str(refused.value)


def files_in(folder: FilePath) -> list[str]:
    """All but the catalogue's own logs, which come and go."""
    return sorted(str(file) for file in folder.rglob("*") if "catalog.sqlite-" not in file.name)


def test_the_server_of_the_catalogue_is_out_of_reach(
    request: pytest.FixtureRequest, postgres: Postgres, tmp_path: FilePath
) -> None:
    url = empty_store(request, "postgres", tmp_path)
    open_store(url).append([make(Path, 1)])

    for statement in (
        (
            "SELECT * FROM postgres_query('__ducklake_metadata_regenesis', 'SELECT"
            " pg_read_file(''/etc/hostname'')')"
        ),
        (
            "SELECT * FROM postgres_execute('__ducklake_metadata_regenesis', 'DROP TABLE"
            " ducklake_table')"
        ),
        "SELECT * FROM duckdb_databases()",
        f"COPY (SELECT 1) TO '{tmp_path / 'data' / 'out.csv'}'",
    ):
        with pytest.raises(InputError) as refused:
            run_user_sql(url, statement)
        assert postgres.password not in str(refused.value)

    assert len(open_store(url).select(Path)) == 1
    assert not (tmp_path / "data" / "out.csv").exists()


def test_no_listing_shows_the_catalogues_password(postgres: Postgres, url: str) -> None:
    for statement in (
        "SHOW DATABASES",
        "SHOW ALL TABLES",
        "FROM duckdb_tables()",
        "FROM duckdb_views()",
        "FROM information_schema.tables",
        "EXPLAIN ANALYZE FROM paths",
    ):
        assert postgres.password not in run_user_sql(url, statement, "json")


def test_a_role_that_may_only_select_reads_everything_and_writes_nothing(
    request: pytest.FixtureRequest,
    postgres: Postgres,
    tmp_path: FilePath,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = empty_store(request, "postgres", tmp_path)
    open_store(url).append([make(Path, 1)])
    database = url.partition("?")[0].rpartition("/")[2]
    page = (FilePath(__file__).parents[3] / "docs" / "storage.md").read_text("utf-8")
    statements = (
        page.split("```sql\n")[1].split("```")[0].replace("lake TO", f"{database} TO").split(";\n")
    )
    postgres.execute(*(one for one in statements if one.strip()), database=database)
    open_store(url).append([make(Path, 2)])

    monkeypatch.setenv("PGPASSWORD", "choose-one")
    reader = url.replace("regenesis@", "analyst@")

    assert json.loads(run_user_sql(reader, "SELECT count(*) AS n FROM lineage", "json")) == [
        {"n": 2}
    ]
    assert len(open_store(reader).select(Path)) == 2
    with pytest.raises(
        InputError, match=r"must be one that can be written; it is not \(.*permission denied"
    ):
        open_store(reader).append([make(Path, 3)])


def test_a_lake_is_read_as_it_was(lake_url: str) -> None:
    store = open_store(lake_url)
    training_set = make(TrainingSet, 1, snapshot=store.snapshot())
    store.append([training_set, make(Adapter, 1, training_set_id=training_set.id)])
    store.append([make(Path, "later")])
    from storage.lineage.time_travel import snapshot_of

    then = run_user_sql(
        lake_url,
        "SELECT count(*) AS n FROM lineage",
        "json",
        snapshot=snapshot_of(store, str(uid(Adapter, 1))),
    )

    assert json.loads(then) == [{"n": 2}]
    assert json.loads(run_user_sql(lake_url, "SELECT count(*) AS n FROM lineage", "json")) == [
        {"n": 3}
    ]
