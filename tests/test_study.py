"""The study's state, as it lies in the repository, gives the tables of its page on a machine that has nothing else."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from storage.presenting import as_table
from storage.repository import Store, open_store

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "study" / "results.md").read_text("utf-8")
SHOWN = re.findall(r"```sql\n(.*?)```\n```text\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """Empty but for the embedded model."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "models").symlink_to(model_folder.parent)
    return folder


@pytest.fixture(scope="module")
def output(home: Path) -> str:
    """What the study's own command prints there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REGENESIS_")}
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "compare", "--settings", "docs/study/study.toml", "--from", "docs/study",
         "--yes", "--home", str(home)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def store(home: Path, output: str) -> Store:
    return open_store(f"duckdb:///{home / 'regenesis.duckdb'}")


@pytest.mark.slow
def test_the_state_gives_the_table_of_the_page_and_nothing_is_generated(output: str, store: Store) -> None:
    table = [line.rstrip() for line in output.splitlines() if "%" in line or line.startswith(("method ", "base "))]

    assert "\n".join(table) in PAGE
    assert "0 tokens generated in this run." in output
    rows = json.loads((ROOT / "docs" / "study" / "state.json").read_text("utf-8"))["rows"]
    assert store.query("SELECT count(*) AS n FROM paths").to_pylist() == [{"n": rows["paths"]}]
    assert store.query("SELECT count(*) AS n FROM answers").to_pylist() == [{"n": rows["answers"]}]


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(SHOWN)))
def test_a_query_of_the_page_gives_what_stands_below_it(place: int, store: Store) -> None:
    sql, text = SHOWN[place]

    rows = store.query(sql)

    assert as_table(rows.column_names, rows.to_pylist()) == text.rstrip("\n")
