"""Which folders may be a home or hold a store: whatever the file system takes."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.care.backups import back_up, restore
from storage.care.check_and_gc import compact
from storage.care.garbage import find_garbage
from storage.environment import make_home, read_environment
from storage.errors import InputError
from storage.open_store import existing_store, open_store
from storage.records import Path as RecordedPath
from storage.sql.sandbox import run_user_sql
from storage.store.store_url import file_of
from tests.storage.examples import make

ODD = ("a%20b", "a%2Fb", "100% a#b;'größe'", 'x"b\\c[d]*', "日本 😀$HOME\n-rf")
PARTS = [
    *"#%&'\";+ []*{}\\$~`:@=!|<>()^,\n\t-._aZ9",
    "%20",
    "%2F",
    "ä",
    "é",
    "日",
    "😀",
    "\u202e",
    "\u200b",
]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's home of the test's own, where links to odd places are kept."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("user")))
    monkeypatch.delenv("REGENESIS_STORE", raising=False)


def lives_in(folder: Path, url: str = "") -> None:
    """A store is made there, written, read, copied, rewritten, backed up, lost and restored."""
    places = read_environment(folder)
    make_home(places)
    url = url or places.store_url
    store = open_store(url)
    store.append([make(RecordedPath, 0), make(RecordedPath, 1)])
    copy = store.refresh_reader()
    compact(store)
    backup = back_up(store, places.home, places.home / "backups" / "one.duckdb")
    store.append([make(RecordedPath, 2)])

    assert copy is not None
    assert copy.parent.resolve() == file_of(url).parent
    assert backup.parent.resolve() == folder / "backups"
    assert len(existing_store(url).select(RecordedPath)) == 3
    assert store.query("SELECT count(*) AS n FROM lineage")["n"].to_pylist() == [3]
    assert find_garbage(store, places.home) == []
    if url == places.store_url:
        restore(places, backup, datetime.now(UTC))
        assert len(existing_store(url).select(RecordedPath)) == 2


@settings(
    max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=12)
    .map("".join)
    .filter(lambda name: name.strip("."))
)
def test_a_home_may_have_any_name(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lives_in(Path(folder).resolve() / name)


@pytest.mark.parametrize("name", ODD)
def test_a_home_may_have_this_name(tmp_path: Path, name: str) -> None:
    lives_in(tmp_path / name / "below" / name)


@pytest.mark.parametrize("name", ["ho%3Fme %2F#'x"])
def test_sql_and_mlflow_work_in_such_a_home(tmp_path: Path, name: str) -> None:
    from storage.mlflow_tracking import Tracking

    places = read_environment(tmp_path / name)
    make_home(places)
    open_store(places.store_url).append([make(RecordedPath, 0)])

    assert run_user_sql(places.store_url, "SELECT count(*) AS n FROM paths", "csv").split() == [
        "n",
        "1",
    ]
    tracking = Tracking(places.home)
    run = tracking.log_stage(None, "training", params={"rows": 1})
    tracking.client.log_artifact(run, str(places.home / "regenesis.duckdb"))
    assert (tmp_path / name / "mlflow.db").is_file()
    assert Path(tracking.client.download_artifacts(run, "regenesis.duckdb")).stat().st_size
    assert list((tmp_path / name / "artifacts").rglob("regenesis.duckdb"))


@pytest.mark.parametrize("name", ["a%3Fb", "a%20b", "a b", "a#b"])
def test_a_store_elsewhere_may_lie_in_such_a_folder_also_behind_a_link(
    tmp_path: Path, name: str
) -> None:
    lives_in(tmp_path / "home", f"duckdb:///{tmp_path / name / 'other.duckdb'}")
    (tmp_path / "link").symlink_to(tmp_path / name)

    linked = open_store(f"duckdb:///{tmp_path / 'link' / 'other.duckdb'}")

    assert len(linked.select(RecordedPath)) == 3
    assert linked.append([make(RecordedPath, 3)]) == 1


def test_two_homes_whose_names_differ_in_a_letter_are_two(tmp_path: Path) -> None:
    for number, name in enumerate(["a%", "a%3F", "a%3f", "a%253F"]):
        store = open_store(read_environment(tmp_path / name).store_url)
        assert store.append([make(RecordedPath, number)]) == 1
        assert len(store.select(RecordedPath)) == 1


@pytest.mark.parametrize("name", ["ho?me", "?", "a??b"])
def test_a_question_mark_is_refused_by_name_for_duckdbs_log_would_lie_elsewhere(
    tmp_path: Path, name: str
) -> None:
    for place in (tmp_path / name, tmp_path / name / "below"):
        with pytest.raises(
            InputError, match=r"REGENESIS_HOME is a path without \?.*Name another folder"
        ):
            read_environment(place)
    (tmp_path / "link").symlink_to(tmp_path / name)
    for file in (
        tmp_path / name / "x.duckdb",
        tmp_path / f"{name}.duckdb",
        tmp_path / "link" / "x.duckdb",
    ):
        with pytest.raises(InputError, match=r"A store's path holds no \?.*Name another folder"):
            open_store(f"duckdb:///{file}")
    assert [one.name for one in tmp_path.iterdir()] == ["link"]


def test_without_a_place_for_the_link_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "user").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    with pytest.raises(InputError, match=r"can't be reached by a link.*Name another folder"):
        read_environment(tmp_path / "a%2Fb")
    monkeypatch.setenv("HOME", str(tmp_path / "us%20er"))
    with pytest.raises(InputError, match=r"holds them, too.*Name another folder"):
        read_environment(tmp_path / "a%2Fb")
