"""Which folders may be a home."""

from pathlib import Path

import pytest

from storage.environment import make_home, read_environment
from storage.errors import InputError
from storage.open_store import open_store


@pytest.mark.parametrize("name", ["ho?me", "?", "a%20b", "a%2Fb", "a%2fb", "%3F"])
def test_a_home_that_a_url_would_read_otherwise_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for place in (tmp_path / name, tmp_path / name / "below"):
        monkeypatch.setenv("REGENESIS_HOME", str(place))
        with pytest.raises(InputError, match=r"REGENESIS_HOME is a path without \? .*Name another folder"):
            read_environment()
        with pytest.raises(InputError, match="REGENESIS_HOME"):
            read_environment(place)


@pytest.mark.parametrize("name", ["100%", "a b", "a#b", "a&b=c", "a'b", "größe", "%zz", "a;b", "a+b"])
def test_any_other_home_has_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv("REGENESIS_STORE", raising=False)
    places = read_environment(tmp_path / name)
    make_home(places)

    store = open_store(places.store_url)

    assert store.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    assert (tmp_path / name / "regenesis.duckdb").is_file()
