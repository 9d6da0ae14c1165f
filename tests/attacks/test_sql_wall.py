"""The second wall, with the first switched off.

SQL that no check has seen writes nothing and reads no file.

Each runs in a process of its own, which shuts itself in as the process of a user's SQL does: it
can't be opened again.
"""

import json
import subprocess
import sys
from pathlib import Path as FilePath

import pytest

from storage.open_store import open_store
from storage.records import Path
from storage.sql.closed_process import opened
from storage.sql.wall import wall_version
from tests.attacks.test_store_names import ENDINGS, digest
from tests.storage.examples import make

needs_landlock = pytest.mark.skipif(wall_version() == 0, reason="this kernel has no Landlock")
# DuckDB's own doors stay open here: only the system's wall stands
UNCHECKED = """
import json, sys
from pathlib import Path
from storage.sql.closed_process import Bounds, limit, opened, wall_in
url, folder, statements = json.loads(sys.stdin.read())
store = opened(url)
limit(store, Bounds("1GB", "1GB", Path(folder)))
wall_in(store, url, {}, Path(folder))
found = []
for statement in statements:
    try:
        found.append(["ran", str(store.connection.execute(statement).fetchall())])
    except Exception as error:
        found.append(["failed", str(error)])
print(json.dumps(found))
"""


@pytest.fixture(params=["file", "lake"])
def place(request: pytest.FixtureRequest, tmp_path: FilePath) -> tuple[str, FilePath]:
    """A store's URL, and the name of its file or catalogue."""
    name = (
        tmp_path / "store" / ("regenesis.duckdb" if request.param == "file" else "catalog.sqlite")
    )
    name.parent.mkdir()
    lake = f"ducklake:sqlite:///{name}?data={name.parent / 'data'}"
    url = f"duckdb:///{name}" if request.param == "file" else lake
    open_store(url).append([make(Path, 1), make(Path, 2)])
    opened(url).connection.close()  # which makes the copy of a file that is read
    return url, name


def unchecked(url: str, folder: FilePath, statements: list[str]) -> list[list[str]]:
    """For each statement whether it ran, and what it gave or said."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", UNCHECKED],
        input=json.dumps([url, str(folder), statements]),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


@needs_landlock
def test_copy_over_the_store_s_own_names_writes_nothing(
    place: tuple[str, FilePath], tmp_path: FilePath
) -> None:
    url, name = place
    targets = [f"{name}{ending}" for ending in ENDINGS] + [
        f"{name.parent}/reader.duckdb",
        f"{name.parent}/new.csv",
    ]
    statements = [
        f"{before}COPY (SELECT 1) TO '{target}' (FORMAT csv, USE_TMP_FILE {part})"
        for target in targets
        for before in ("", "EXPLAIN ANALYZE ")
        for part in ("false", "true")
    ]
    before = digest(name.parent)

    found = unchecked(url, tmp_path / "spilled", [*statements, "SELECT count(*) FROM paths"])

    assert {ran for ran, _ in found[:-1]} == {"failed"}, found
    assert found[-1] == ["ran", "[(2,)]"]
    assert digest(name.parent) == before
    assert len(open_store(url).select(Path)) == 2


@needs_landlock
def test_no_file_but_the_lake_s_own_is_read_and_no_port_is_reached(
    place: tuple[str, FilePath], tmp_path: FilePath
) -> None:
    url, _ = place
    (tmp_path / "secret.txt").write_text("hush")
    (tmp_path / "link").symlink_to(tmp_path / "secret.txt")

    found = unchecked(
        url,
        tmp_path / "spilled",
        [
            f"SELECT content FROM read_text('{file}')"
            for file in (
                "/etc/passwd",
                "/proc/self/environ",
                "/proc/1/environ",
                tmp_path / "secret.txt",
                tmp_path / "link",
            )
        ]
        + [f"ATTACH '{tmp_path / 'other.duckdb'}'", f"COPY paths FROM '{tmp_path / 'secret.txt'}'"],
    )

    assert {ran for ran, _ in found} == {"failed"}, found
    assert "hush" not in str(found)


@needs_landlock
def test_a_process_that_is_shut_in_starts_no_program_and_reaches_no_port(
    tmp_path: FilePath,
) -> None:
    script = """
import os, socket, sys
from pathlib import Path
from storage.sql.wall import Openings, close_in
target = socket.create_server(("127.0.0.1", 0))
close_in(Openings(written=(Path(sys.argv[1]),)))
def tried(what):
    try: what()
    except OSError as error: return type(error).__name__
    return "done"
print(tried(lambda: socket.create_connection(target.getsockname())),
      tried(lambda: os.execv("/bin/sh", ["sh"])),
      tried(lambda: os.symlink("/etc", sys.argv[1] + "/link")),
      tried(lambda: os.truncate(sys.argv[2], 0)),
      tried(lambda: Path(sys.argv[1], "kept").write_text("own folder")))
"""
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.write_text("kept")
    done = subprocess.run(
        [sys.executable, "-c", script, str(own), str(other)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    port, *rest = done.stdout.split()

    assert rest == ["PermissionError"] * 3 + ["done"]
    assert other.read_text() == "kept"
    assert port == ("PermissionError" if wall_version() >= 4 else "done")


@needs_landlock
def test_no_thread_of_duckdb_stands_outside_the_wall(
    place: tuple[str, FilePath], tmp_path: FilePath
) -> None:
    """A thread that was there before keeps what it may.

    A scan that all threads share must not write through it.
    """
    url, name = place
    wide = (
        f"COPY (SELECT range FROM range(3000000)) TO '{name.parent}/out' (FORMAT parquet,"
        " PER_THREAD_OUTPUT true)"
    )

    found = unchecked(url, tmp_path / "spilled", [wide, "SELECT count(*) FROM range(3000000)"])

    assert [ran for ran, _ in found] == ["failed", "ran"], found
    assert not (name.parent / "out").exists()
