"""A lake whose files lie in an S3-compatible object store."""

import json
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from storage.lake.lake_care import compact_lake
from storage.lake.lake_store import LakeStore
from storage.open_store import open_store
from storage.records import Path
from storage.sql.sandbox import run_user_sql
from tests.storage.examples import make
from tests.storage.object_store import object_store


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hush-hush"}
    with object_store(monkeypatch, keys) as url:
        yield url


def test_rows_go_to_the_bucket_and_come_back_also_to_user_sql(
    bucket: str, tmp_path: FilePath
) -> None:
    import boto3

    url = f"ducklake:sqlite:///{tmp_path / 'catalog.sqlite'}?data=s3://lake/rows"
    store = open_store(url)
    assert isinstance(store, LakeStore)

    for batch in range(3):
        store.append([make(Path, (batch, n)) for n in range(10)])
    compact_lake(store, keep_days=7)

    found = boto3.client("s3", endpoint_url=bucket).list_objects_v2(
        Bucket="lake", Prefix="rows/stored/paths/"
    )
    assert found["KeyCount"] > 0
    assert len(open_store(url).select(Path)) == 30
    assert json.loads(run_user_sql(url, "SELECT count(*) AS n FROM lineage", "json")) == [{"n": 30}]
    assert "hush-hush" not in run_user_sql(url, "SHOW ALL TABLES", "json")
