"""A store's URL: what is read in it, and that a refused one is printed without its password,
wherever that stands.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.care.backups import restore
from storage.environment import Environment
from storage.errors import InputError
from storage.open_store import open_store
from storage.store.store_url import lake_of, shown

SECRET = "hush-hush"
PLACES = (
    "ducklake:postgresql://me:{}@host/db?data=/srv/data",
    "ducklake:postgresql://me:{}@host/db?data=/srv/my@data",
    "ducklake:postgresql://me:{}@host/db?data=s3://bucket/a@b",
    "ducklake:postgresql://me:{}@@host:5432/db?data=/srv/data",
    "ducklake:postgresql://me@host:{}@other/db?data=/srv/data",
    "ducklake:postgresql://me:x/{}@host/db?data=/srv/data",
    "ducklake:postgresql://me:x?{}#@host/db?data=/srv/data",
    "ducklake:postgresql://me@host/db?data=/srv/data&password={}",
    "ducklake:postgresql://me@host/db?password={}&data=/srv/data",
    "ducklake:postgresql://me@host/db?data=/srv/data&PASSWORD={}",
    "ducklake:postgresql://me@host/db?data=/srv/data&pass%77ord={}",
    "ducklake:postgresql://me@host/db?data=/srv/data&sslpassword={}&x=y",
    "ducklake:postgresql://me@host/db?data=/srv/data&token=a&{}",
    "ducklake:postgresql://me@host/db?data=s3://bucket/x?key={}",
    "ducklake:postgresql://me@host/db?data=s3://KEY:{}@bucket/x",
    "ducklake:postgresql://me@host/db?data=/srv/data#{}",
    "ducklake:sqlite:///c.sqlite?data=s3://KEY:{}@bucket",
    "ducklake:mysql://me:{}@host/db?data=/srv/data",
    "ducklake:postgres:host=h user=me password={} dbname=d",
    "ducklake:postgres:host=h password='{} x' dbname=d",
    "postgresql://me:{}@host/db",
    "host=h password={}",
    "me:{}@host",
    "postgresql://me:{}@host:port/db?data=/srv/data",
)


@pytest.mark.parametrize("place", PLACES)
def test_a_refused_url_is_printed_without_its_password(place: str) -> None:
    with pytest.raises(InputError) as refused:
        open_store(place.format(SECRET))

    assert SECRET not in str(refused.value)
    assert "found" in str(refused.value)


@given(secret=st.text(min_size=8, max_size=30), place=st.sampled_from(PLACES))
def test_no_password_is_shown_whatever_signs_it_holds(secret: str, place: str) -> None:
    said = shown(place.format(f"HUSH{secret}HUSH"))

    assert "HUSH" not in said.removeprefix(place.partition("{")[0])


@pytest.mark.parametrize(
    "url",
    [
        "duckdb:////srv/c++ data/my.duckdb",
        "ducklake:sqlite:////srv/catalog.sqlite?data=/srv/data",
        "ducklake:postgresql://me@host:5432/db?data=s3://bucket/prefix",
        "regenesis.duckdb",
    ],
)
def test_a_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert shown(url) == url


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ("/srv/c++/data", "/srv/c++/data/"),
        ("/srv/a%20b%2Bc", "/srv/a b+c/"),
        ("/srv/100%25", "/srv/100%/"),
        ("s3://bucket/c++", "s3://bucket/c++/"),
        ("file:///srv/a@b", "/srv/a@b/"),
    ],
)
def test_the_data_of_a_lake_is_read_as_a_url_and_not_as_a_form(data: str, read: str) -> None:
    assert lake_of(f"ducklake:sqlite:////srv/catalog.sqlite?data={data}").data == read


def test_a_restore_into_a_lake_is_refused_without_the_lakes_password(tmp_path: Path) -> None:
    lake = f"ducklake:postgresql://me:{SECRET}@host/db?data=/srv/data"

    with pytest.raises(InputError) as refused:
        restore(
            Environment(tmp_path, lake, (), None), tmp_path / "backup.duckdb", datetime.now(UTC)
        )
    assert SECRET not in str(refused.value)
