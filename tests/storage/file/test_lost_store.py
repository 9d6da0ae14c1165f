"""Where a store was lost no empty one takes its place; a new home gets one, and a killed first try
is made on.
"""

from datetime import UTC, datetime
from pathlib import Path as FilePath

import pytest

from storage.care.backups import back_up, restore
from storage.environment import Environment
from storage.errors import InputError
from storage.file.file_store import FileStore
from storage.file.remains import remains_of
from storage.open_store import existing_store, open_store
from storage.records import Path
from tests.storage.care.test_garbage import OURS
from tests.storage.examples import make
from tests.storage.migrations.test_old_schemas import OLDER, store_of_schema

# what the first making of a store, and a home without one, have
OF_A_NEW_HOME = {
    "NAME.gate",
    "NAME.lock",
    "run.lock",
    ".NAME.17.making.part",
    ".NAME.17.making.part.wal",
    "mlflow.db",
    "backups/notes.txt",
    "backups/NAME.part",
    "adapters/my-adapter",
    f"adapters/{'a' * 32}",
    "models/base",
    "logs/run.log",
    "second.duckdb",
    "second.duckdb.wal",
    "second.reader.duckdb",
    "second.before-schema-5.duckdb",
}
SIGNS = (
    "NAME.wal",
    "NAME.wal.checkpoint",
    "NAME.wal.recovery",
    "NAME.tmp",
    "NAME.spool",
    "NAME.drawing",
    "NAME.before-restore-20261130-063000",
    "NAME.before-restore-20261130-063000-2.wal",
    "STEM.before-schema-5.duckdb",
    "STEM.before-schema-5-2.duckdb",
    "STEM.before-schema-5.duckdb.part",
    "READER",
    "READER.wal",
    ".READER.17-99.part",
    ".NAME.restore.part",
    ".NAME.restore.copy.part",
    ".NAME.restore.json.part",
    ".NAME.compact.part",
    "NAME.compact.part.wal",
    ".NAME.17-99.part",
)
OF_THE_HOME = (
    "backups/regenesis-20260101-063000.duckdb",
    "backups/mine.duckdb",
)
NAMES = {
    "regenesis.duckdb": ("regenesis", "reader.duckdb"),
    "a[1]*.duckdb": ("a[1]*", "a[1]*.reader.duckdb"),
    "no-ending": ("no-ending", "no-ending.reader.duckdb"),
}


def named(sign: str, name: str) -> str:
    stem, reader = NAMES[name]
    ending = (
        sign.replace(".duckdb", "") if not name.endswith(".duckdb") and "STEM" in sign else sign
    )
    return ending.replace("NAME", name).replace("STEM", stem).replace("READER", reader)


def put(file: FilePath) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"left")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sign", SIGNS)
def test_beside_whatever_a_store_leaves_no_empty_one_is_made(
    tmp_path: FilePath, name: str, sign: str
) -> None:
    left = tmp_path / named(sign, name)
    put(left)
    url = f"duckdb:///{tmp_path / name}"

    for opening in (open_store, existing_store):
        with pytest.raises(InputError, match=r"A store lay at .* and is gone") as refused:
            opening(url)

    assert str(left) in str(refused.value)
    assert not (tmp_path / name).exists()
    assert left.read_bytes() == b"left"


@pytest.mark.parametrize("left", OF_THE_HOME)
def test_a_homes_backups_tell_of_its_usual_store_and_of_no_other(
    tmp_path: FilePath, left: str
) -> None:
    put(tmp_path / left)

    with pytest.raises(InputError, match=r"A store lay at .* and is gone"):
        open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}")

    assert open_store(f"duckdb:///{tmp_path / 'second.duckdb'}").append([make(Path)]) == 1


@pytest.mark.parametrize("name", NAMES)
def test_in_a_home_that_never_had_a_store_one_is_made_whatever_else_lies_there(
    tmp_path: FilePath, name: str
) -> None:
    """What a first try leaves that was killed is among it."""
    for other in OF_A_NEW_HOME:
        put(tmp_path / named(other, name))

    assert open_store(f"duckdb:///{tmp_path / name}").append([make(Path)]) == 1


def test_every_name_that_a_store_writes_beside_itself_is_a_sign_or_is_there_before_it(
    tmp_path: FilePath,
) -> None:
    """What is really written, and what garbage collection knows as half written."""
    path = tmp_path / "regenesis.duckdb"
    store_of_schema(OLDER[-1], path)
    url = f"duckdb:///{path}"
    store = open_store(url, keep_log=True)
    assert isinstance(store, FileStore)
    store.append([make(Path, n) for n in range(3)])
    seen = {one.name for one in tmp_path.iterdir()}
    with store.alone("drawing"), store.reading_long():
        seen |= {one.name for one in tmp_path.iterdir()}
    store.refresh_reader()
    backup = back_up(store, tmp_path, tmp_path / "elsewhere" / "one.duckdb")
    restore(Environment(tmp_path, url, (), None), backup, datetime.now(UTC))
    seen |= {one.name for one in tmp_path.iterdir()}
    seen |= {one for one in OURS if not one.startswith(("backups/", ".mlflow.db"))}
    path.unlink()
    for name in seen:
        if not (tmp_path / name).exists():
            put(tmp_path / name)

    signs = {one.name for one in remains_of(path)}

    assert {one for one in seen - signs if one != path.name} <= {
        "elsewhere",
        "regenesis.duckdb.gate",
        "regenesis.duckdb.lock",
        "run.lock",
        ".regenesis.duckdb.17.making.part",
        "regenesis.duckdb.part",  # a backup that somebody makes to this very place
    }
    assert {"reader.duckdb", "regenesis.duckdb.wal", "regenesis.duckdb.drawing"} <= signs


def test_a_lost_store_comes_back_from_its_reader_copy(tmp_path: FilePath) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}")
    store.append([make(Path, n) for n in range(3)])
    reader = store.refresh_reader()
    assert reader is not None
    (tmp_path / "regenesis.duckdb").unlink()

    restore(Environment(tmp_path, store.url, (), None), reader, datetime.now(UTC))

    again = open_store(store.url)
    assert len(again.select(Path)) == 3
    assert again.refresh_reader() == reader


@pytest.mark.parametrize("link", ["regenesis.duckdb", "home", "home/inner"])
def test_through_a_link_that_leads_to_nothing_no_store_is_made(
    tmp_path: FilePath, link: str
) -> None:
    """The disk may not be mounted."""
    away = tmp_path / "unmounted"
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(away / "there")
    file = tmp_path / link if link.endswith(".duckdb") else tmp_path / link / "regenesis.duckdb"

    with pytest.raises(InputError, match="A link to a store leads to one that is there; "):
        open_store(f"duckdb:///{file}")

    assert not away.exists()
