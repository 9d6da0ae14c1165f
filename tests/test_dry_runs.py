"""`--dry-run` of every command: it says something, and leaves home and current folder as they are.

Not among the tests of flows, whose Prefect server no dry run needs.
"""

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer

from flows.cli.main import app, main
from flows.steps.edges import use_edges
from flows.steps.progress import Quiet
from storage.environment import read_environment
from storage.open_store import open_store
from storage.records import Path as RecordedPath
from tasks.comparison.contest import comparison_row
from tasks.settings import load_settings
from tests.fakes.homes import at_home, use_home
from tests.fakes.scripted_machinery import BASE, ScriptedMachinery
from tests.fakes.story_store import story_store

Command = Callable[..., tuple[int, str, str]]

SCHEMAS = Path(__file__).parent / "data" / "schemas"
SQL = "SELECT count(*) FROM rounds"
RATED = ["--path", "PATH", "--verdict", "wrong", "--rater", "ann"]

# Every way of each command that could write. A new command has no row, and fails until it has one.
WAYS: dict[str, list[list[str]]] = {
    "round": [[]],
    "ingest": [["q.jsonl"], [], ["--published", "gsm8k"]],
    "synthesize": [[]],
    "verify": [[]],
    "train": [[]],
    "evaluate": [[]],
    "promote": [[], ["--force", "--reason", "why"]],
    "rollback": [[]],
    "compare": [[], ["--export", "state"], ["--methods", "list"]],
    "sql": [[SQL], [SQL, "--out", "rows.csv"], ["--client"]],
    "lineage": [["PATH"]],
    "report": [[]],
    "judge": [["q.jsonl"]],
    "audit": [[], RATED],
    "explore": [[]],
    "export": [["out"], ["out", "--paths"], ["out", "--push", "me/paths"]],
    "doctor": [[], ["--prepare"]],
    "serve": [[]],
    "forecast": [[]],
    "settings": [[]],
    "up": [[], ["--background"]],
    "down": [[]],
    "storage check": [[]],
    "storage compact": [[]],
    "storage gc": [[]],
    "storage backup": [["backup.duckdb"]],
    "storage move": [["duckdb:///moved.duckdb"]],
    "storage restore": [["backup.duckdb"]],
    "storage migrate": [[]],
}


def commands(command: Any = None, name: str = "") -> Iterator[str]:
    command = command or typer.main.get_command(app)
    if hasattr(command, "commands"):
        for key, one in command.commands.items():
            yield from commands(one, f"{name} {key}".strip())
    else:
        yield name


CASES = [
    pytest.param(name, way, id=" ".join([name, *way])) for name in commands() for way in WAYS[name]
]


def files_below(*folders: Path) -> dict[str, str]:
    """Every name, and each file's digest."""
    return {
        str(one): hashlib.sha256(one.read_bytes()).hexdigest() if one.is_file() else ""
        for folder in folders
        for one in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with rounds, a comparison, and a base model that was prepared."""
    home = tmp_path_factory.mktemp("small") / "home"
    store = story_store(home / "regenesis.duckdb")
    store.append([BASE, comparison_row(load_settings(), BASE)])
    with at_home(home):
        ScriptedMachinery().prepare(load_settings().model, read_environment())
    return home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_home(monkeypatch, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`regenesis ...` in this process: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["regenesis", *arguments])
        with use_edges(ScriptedMachinery(), Quiet()), pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    row = '{"question": "1 + 1?", "answer": "2", "answer_kind": "number", "text": "2"}\n'
    Path("q.jsonl").write_text(row, "utf-8")
    Path("backup.duckdb").touch()  # `restore` has one to name, and `backup` one to refuse
    return folder


def test_every_command_has_its_ways() -> None:
    assert sorted(WAYS) == sorted(commands())


@pytest.mark.parametrize(("name", "way"), CASES)
def test_a_dry_run_ends_well_and_changes_no_file_of_a_home(
    name: str, way: list[str], small_home: Path, home: Path, here: Path, command: Command
) -> None:
    shutil.copytree(small_home, home)
    path = str(open_store(read_environment().store_url).select(RecordedPath)[0].id)
    if name == "storage backup":
        (here / "backup.duckdb").unlink()
    before = files_below(home, here)

    code, out, err = command(
        *name.split(), *(path if word == "PATH" else word for word in way), "--dry-run"
    )

    # the story's adapters have no files, which `check` finds
    assert (code, out.strip() != "") == (1 if name == "storage check" else 0, True), err
    assert files_below(home, here) == before


@pytest.mark.parametrize(("name", "way"), CASES)
def test_a_dry_run_makes_no_home(
    name: str, way: list[str], home: Path, here: Path, command: Command
) -> None:
    before = files_below(here)

    code, _, err = command(*name.split(), *way, "--dry-run")

    assert (code in (0, 2), home.exists()) == (True, False), err
    assert files_below(here) == before


@pytest.mark.parametrize(("name", "way"), CASES)
def test_a_dry_run_leaves_a_store_of_an_earlier_version_as_it_is(
    name: str, way: list[str], home: Path, here: Path, command: Command
) -> None:
    home.mkdir()
    with duckdb.connect(home / "regenesis.duckdb") as connection:
        connection.execute((SCHEMAS / "schema_6.sql").read_text("utf-8"))
    for ending in (".gate", ".lock"):  # as a store has that was ever opened
        (home / f"regenesis.duckdb{ending}").touch()
    before = files_below(home, here)

    code, _, err = command(*name.split(), *way, "--dry-run")

    assert code in (0, 2), err
    assert files_below(home, here) == before
