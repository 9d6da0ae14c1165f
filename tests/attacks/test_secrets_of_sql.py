"""No secret of the environment comes near a user's SQL: not in the child's environment, nor in a
setting.
"""

from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from storage.environment import secret
from storage.errors import InputError
from storage.open_store import open_store
from storage.records import Path
from storage.sql.closed_process import opened, shut
from storage.sql.sandbox import environment_for, run_user_sql
from tests.storage.examples import make
from tests.storage.object_store import object_store

PLANTED = {
    "AWS_ACCESS_KEY_ID": "planted-id",
    "AWS_SECRET_ACCESS_KEY": "planted-hush",
    "AWS_SESSION_TOKEN": "planted-token",
    "PGPASSWORD": "planted-password",
    "PGUSER": "planted-user",
    "HF_TOKEN": "planted-hf",
    "REGENESIS_SERVE_KEY": "planted-key",
    "PREFECT_API_KEY": "planted-prefect",
    "SOME_NEW_SECRET": "planted-new",
}


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "url", ["duckdb:////a/b.duckdb", "ducklake:postgresql://u@h/d?data=s3://b/p"]
)
def test_the_child_s_environment_holds_no_secret(planted: None, url: str) -> None:
    assert "planted" not in str(environment_for(url))


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch, tmp_path: FilePath) -> Iterator[str]:
    """A lake whose data lie in an object store."""
    with object_store(monkeypatch, PLANTED):
        yield f"ducklake:sqlite:///{tmp_path / 'catalog.sqlite'}?data=s3://lake/rows"


def test_no_setting_and_no_listing_of_an_s3_lake_shows_a_secret(
    lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(lake).append([make(Path, 1)])
    keys = {
        name: value
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION")
        if (value := secret(name))
    }

    assert run_user_sql(lake, "SELECT count(*) AS n FROM lineage", "csv") == "n\n1\n"
    with pytest.raises(InputError, match="Only the tables and views of the store"):
        run_user_sql(lake, "SELECT name, setting FROM pg_settings WHERE setting LIKE '%hush%'")

    for name in PLANTED:
        monkeypatch.delenv(name)
    store = opened(lake, keys=keys)
    shut(store)
    with store.connection as connection:
        for listing in (
            "duckdb_settings()",
            "pg_settings",
            "duckdb_secrets()",
            "duckdb_databases()",
        ):
            assert "hush" not in str(connection.execute(f"FROM {listing}").fetchall())
